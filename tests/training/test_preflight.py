"""What a sampling cannot do with the data is refused before the first update."""

import pytest

from experiments.config import ConfigError
from experiments.training.preflight import check


def test_a_sampling_that_the_data_do_not_allow_is_refused(composed):
    logs = (
        "data.train_logs=2",
        "data.val_logs=1",
        "data.test_logs=1",
        "data.cache_dir=null",
        "trainer.accelerator=cpu",
    )
    with pytest.raises(ConfigError, match=r"sampling .*BackgroundUndersampling.*foreground_share: expected more than"):
        check(composed(*logs, "sampling=undersampling", "sampling.foreground_share=0.1"))
    check(composed(*logs, "sampling=undersampling"))
