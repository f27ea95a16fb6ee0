"""The kinds of trouble, a module per subject. Importing this package registers all of them."""

from tests.faults.injectors import connections as connections
from tests.faults.injectors import messages as messages
from tests.faults.injectors import processes as processes
