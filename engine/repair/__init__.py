"""Repair of single pages: a damaged page of a database is built anew from a backup set and the logs since."""

from engine.repair.page import PageState, PlannedPage
from engine.repair.plan import RepairPlan, plan_repair
from engine.repair.write import RepairResult, write_repair

__all__ = ["PageState", "PlannedPage", "RepairPlan", "RepairResult", "plan_repair", "write_repair"]
