# SPDX-License-Identifier: Apache-2.0
"""Attacks: the stage of the suite (its fixtures come from the conftest above), an attacker and an
honest client behind different addresses of loopback, and what the daemon takes meanwhile."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))
