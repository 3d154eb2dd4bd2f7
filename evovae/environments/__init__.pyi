from .environment import Environment as Environment
from .environment import Episodes as Episodes
from .gymnasium_world import GymnasiumEnvironment as GymnasiumEnvironment
from .gymnasium_world import GymnasiumEpisodes as GymnasiumEpisodes
from .rollouts import Rollouts as Rollouts
from .rollouts import rollouts as rollouts
from .swing_up import CartPoleSwingUp as CartPoleSwingUp
from .swing_up import SwingUps as SwingUps
