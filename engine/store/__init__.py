"""The transactional store: pages that change while an instance runs, under one log.

A change is a log record: it is appended, and then applied by the one function that recovery uses.
Source: architecture, rule 1.
"""
