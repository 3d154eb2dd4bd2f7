from . import analysis as analysis
from . import data as data
from . import encodings as encodings
from . import environments as environments
from . import evolution as evolution
from . import models as models
from . import objectives as objectives
from . import runs as runs
from . import studies as studies
from .analysis import plots as plots
from .analysis import statistics as statistics
from .base import InputError as InputError
from .base import load_state as load_state
from .base import save_state as save_state
from .data import load_images as load_images
from .encodings import CPPNEncoding as CPPNEncoding
from .encodings import DecoderEncoding as DecoderEncoding
from .encodings import LatentEncoding as LatentEncoding
from .encodings import PCAEncoding as PCAEncoding
from .encodings import PixelEncoding as PixelEncoding
from .encodings import PolicyEncoding as PolicyEncoding
from .encodings import VectorEncoding as VectorEncoding
from .models import VAE as VAE
from .models import TrainConfig as TrainConfig
from .models import VAEConfig as VAEConfig
from .models import evaluate as evaluate
from .models import fit as fit
from .objectives import Realism as Realism
from .objectives import judges_for as judges_for
from .runs import EvolveConfig as EvolveConfig
from .runs import IlluminateConfig as IlluminateConfig
from .runs import Problem as Problem
from .runs import evolve as evolve
from .runs import illuminate as illuminate
from .runs import resume as resume

__version__: str
SPINS: str
