"""The life of an instance: created, initialised, databases attached and detached, terminated."""

from engine.instance.core import Instance
from engine.instance.info import DatabaseInfo, InstanceInfo, LogInfo
from engine.instance.registry import instances
from engine.instance.state import InstanceState

__all__ = ["DatabaseInfo", "Instance", "InstanceInfo", "InstanceState", "LogInfo", "instances"]
