"""The kinds of trouble, a module per subject. Importing this package registers all of them."""

from tests.faults.injectors import alarms as alarms
from tests.faults.injectors import clock as clock
from tests.faults.injectors import connections as connections
from tests.faults.injectors import disks as disks
from tests.faults.injectors import fsync as fsync
from tests.faults.injectors import messages as messages
from tests.faults.injectors import outside as outside
from tests.faults.injectors import processes as processes
from tests.faults.injectors import restores as restores
