"""What `wasserflow zoo` says of the shipped models."""

from __future__ import annotations

import re

from wasserflow.cli.main import main
from wasserflow.cli.names.measures import classifier_of
from wasserflow.models import zoo


def test_each_model_comes_with_what_it_is_for(capsys) -> None:
    main(["zoo"])
    said = capsys.readouterr().out
    uses = re.findall(r"^    use: (.*)$", said, re.MULTILINE)
    assert len(uses) == len(zoo.names())
    for name, use in zip(zoo.names(), uses, strict=True):
        networks = zoo.card(name).networks
        assert name in use
        if use.startswith("refine"):
            assert "generator" in networks
            assert set(re.findall(r"--critic ([\w-]+)", use)) <= set(networks)
        elif use.startswith("evaluate"):
            classifier_of(zoo.load(name))
    assert "use: refine --model cifar10-sndcgan, or --critic sndcgan_critic" in said
    assert "use: generate --model mnist-fdrl" in said
    assert not re.search(r"\d\.\d{6}", said), "numbers are rounded"
