"""How near generated text is to real text: the frequencies of n characters in a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np


def ngram_divergence(generated: Sequence[str], real: Sequence[str], n: int = 4) -> float:
    """Jensen–Shannon divergence between the n-gram frequencies of two sets of strings.

        JS = KL(p, m) / 2 + KL(q, m) / 2,    m = (p + q) / 2,

    where p and q are the relative frequencies of all n characters in a row, padding included, as WGAN-GP counts them.

    Args:
        generated: strings; more of them measure less noise.
        real: held-out strings, cut and padded as those.
        n: characters in a row; 4 and 6 are published as JS-4 and JS-6.

    Returns:
        Bits: 0 for equal frequencies, 1 where no n-gram is in both.

    Raises:
        ValueError: n below 1, or a set without a string of n characters.

    Source:
        Gulrajani et al. (2017), section 5.4 and their code; DGflow (arXiv 2012.00780), table 5.

    Example:
        >>> from wasserflow.metrics import ngram_divergence
        >>> ngram_divergence(["abab"], ["abab", "baba"], n=1), ngram_divergence(["aaaa"], ["bbbb"], n=2)
        (0.0, 1.0)
    """
    if n < 1:
        raise ValueError(f"n is {n}; count at least 1 character in a row")
    counts = _counted(generated, n, "generated"), _counted(real, n, "real")
    every = list(counts[0] | counts[1])
    p, q = (np.array([counted[gram] for gram in every]) / counted.total() for counted in counts)
    m = (p + q) / 2
    return float(sum((x[x > 0] * np.log2(x[x > 0] / m[x > 0])).sum() for x in (p, q)) / 2)


def _counted(lines: Sequence[str], n: int, name: str) -> Counter[str]:
    counted = Counter(line[i : i + n] for line in lines for i in range(len(line) - n + 1))
    if not counted:
        raise ValueError(f"{name} holds no {n} characters in a row ({len(lines)} strings); give longer strings")
    return counted
