# SPDX-License-Identifier: Apache-2.0
"""Half a minute of what `make soak` does for ten."""

import pytest

from soak import Soak


@pytest.mark.concurrent
def test_half_a_minute_of_faults(tmp_path):
    soak = Soak(tmp_path, seconds=30, seed=7)
    try:
        figures = soak.run()
    finally:
        soak.close()
    assert not soak.wrong, "\n".join(soak.wrong[:5])
    assert figures["installs"] >= 4 and figures["reads"] >= 50, figures
