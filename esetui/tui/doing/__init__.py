"""What each action of the table does: `do_NAME` methods of the console, grouped by what they are about.

An action goes to the screen that is open when that has a method of its name, else to the console.
"""
