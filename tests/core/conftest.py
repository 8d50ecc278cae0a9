"""How hard hypothesis searches in the tests of the core: HYPOTHESIS_PROFILE=nightly makes it search long."""

import os

from hypothesis import HealthCheck, settings

# No deadline: how long an example takes depends on who else uses the machine.
settings.register_profile("moderate", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("nightly", settings.get_profile("moderate"), max_examples=1000, stateful_step_count=80)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "moderate"))
