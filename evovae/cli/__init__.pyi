from . import conflicts as conflicts
from .commands import Command as Command
from .commands import main as main
from .commands import parse as parse
