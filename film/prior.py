"""How probable an answer is where one label is more frequent than the other.

The networks answer as if both labels were equally frequent: they were trained on as many of the one as of the other.
An archive where nine of ten negatives are fine should take that into account.
"""

TRAINED_PRIOR = 0.5
"""Share of the positive label that ``SCORES`` takes for granted."""


def with_prior(probability: float, prior: float, trained: float = TRAINED_PRIOR) -> float:
    """The probability of the positive label where a share ``prior`` of all pictures has it.

    Bayes' rule for a change of the labels' shares alone (Saerens, Latinne and Decaestecker, 2002, equation 4): each
    label's probability is multiplied by its new share over the one that was ``trained``, and both made to add up to 1.
    NaN stays NaN. Raises ValueError for a share that is not between 0 and 1, both excluded.

    >>> round(with_prior(0.4, prior=0.9), 3)
    0.857
    """
    for name, share in (("prior", prior), ("trained", trained)):
        if not 0 < share < 1:
            raise ValueError(f"{name} is {share}; it is a share between 0 and 1, and neither of them.")
    yes = probability * prior / trained
    no = (1 - probability) * (1 - prior) / (1 - trained)
    return yes / (yes + no)
