"""What runs the parts of a sweep: this machine, or an engine for many. Each is a file with one function."""

from .catalogue import executor_names as executor_names
from .catalogue import find_executor as find_executor
from .executor import Executor as Executor
from .task import Resources as Resources
from .task import Task as Task
