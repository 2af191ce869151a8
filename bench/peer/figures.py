"""The arithmetic of a comparison: from the figures of rounds to a row."""

from statistics import median


class Rounds:
    """What each party measured: the figures of its rounds, in their order."""

    def __init__(self):
        self.ours = []
        self.theirs = {}  # by variant
        self.skipped = {}  # variant: why it could not be run

    def add_theirs(self, variant, figure):
        self.theirs.setdefault(variant, []).append(figure)


def best_variant(theirs):
    """The variant whose median is the lowest; None without any."""
    return min(theirs, key=lambda name: median(theirs[name]), default=None)


def ratios_of(ours, theirs):
    """Per round: ours over the lowest figure that a variant has in it."""
    best = [min(values) for values in zip(*theirs.values())]
    return best, [a / b for a, b in zip(ours, best)]


def met(ratio, target, at_least=False):
    """Whether the ratio keeps its target; None without a target or ratio."""
    if ratio is None or target is None:
        return None
    return ratio >= target if at_least else ratio <= target


def row(name, words, unit, rounds, target=None, at_least=False):
    """A row of the table and of the JSON file: medians over the rounds of our
    figure and of the peer's best, their ratio with the smallest and the largest
    of a round, and the target of the median. Without a peer its parts are
    None."""
    made = {"name": name, "words": words, "unit": unit,
            "ours": median(rounds.ours), "peer": None, "peer_variant": None,
            "ratio": None, "min": None, "max": None, "target": target,
            "at_least": at_least, "met": None, "rounds": len(rounds.ours)}
    if rounds.theirs:
        best, ratios = ratios_of(rounds.ours, rounds.theirs)
        made.update(peer=median(best),
                    peer_variant=best_variant(rounds.theirs),
                    ratio=median(ratios), min=min(ratios), max=max(ratios))
        made["met"] = met(made["ratio"], target, at_least)
        made["variants"] = {variant: median(values)
                            for variant, values in rounds.theirs.items()}
    if rounds.skipped:
        made["skipped"] = rounds.skipped
    return made


def against(ours, peer, variant):
    """Rounds of two lists of figures that are both ours, such as an epoch's
    steps and bare ones."""
    rounds = Rounds()
    rounds.ours, rounds.theirs = list(ours), {variant: list(peer)}
    return rounds


def scaling(one, many):
    """How many times faster it is with more threads, per round; seconds."""
    return [a / b for a, b in zip(one, many)]


def moved(fresh, committed, by=0.15):
    """Of rows of the same name, the (name, then, now) of those whose ratio is
    off by more than `by` of what it was."""
    before = {row["name"]: row["ratio"] for row in committed}
    found = []
    for made in fresh:
        then, now = before.get(made["name"]), made["ratio"]
        if then and now and abs(now / then - 1) > by:
            found.append((made["name"], then, now))
    return found
