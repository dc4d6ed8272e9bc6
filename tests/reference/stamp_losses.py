"""The losses of stamp networks, one case and one class at a time in double precision."""

import math


def probabilities(logits):
    highest = max(logits)
    odds = [math.exp(logit - highest) for logit in logits]
    return [each / sum(odds) for each in odds]


def cross_entropy(label, logits):
    highest = max(logits)
    return highest + math.log(sum(math.exp(logit - highest) for logit in logits)) - logits[label]


def entropy(logits):
    return -sum(p * math.log(p) for p in probabilities(logits) if p > 0)


def regularised_entropy(label, logits, beta):
    return cross_entropy(label, logits) - beta * entropy(logits)


def entropy_as_printed(label, logits, beta):
    """The cross-entropy stands where minus the entropy should."""
    return cross_entropy(label, logits) + beta * cross_entropy(label, logits)
