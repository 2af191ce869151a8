"""What is compared: the rows of the table, and how each is measured."""

from contextlib import ExitStack

from figures import Rounds, against, row, scaling
from processes import Failed

COLOUR = ("eager", "channels_last", "compiled", "compiled_channels_last")
VECTORS = ("eager", "compiled")  # no images that could be channels-last


def net(name, width, batch):
    return {"net": name, "width": width, "batch": batch}


# ---- against PyTorch ----------------------------------------------------------


def each_round(session, rounds, parties, repeat, measure):
    """Asks every party once in each round, the first one last in every second
    round, so that a drift of the machine hits all alike."""
    for i in range(session.rounds):
        turn = parties if i % 2 == 0 else parties[::-1]
        for variant, worker in turn:
            figure = measure(worker.run(session.steps_of(repeat)))
            if variant is None:
                rounds.ours.append(figure)
            else:
                rounds.add_theirs(variant, figure)


def timed(session, work, settings, variants, repeat):
    """Seconds of a step; all parties live through all rounds."""
    rounds = Rounds()
    with ExitStack() as stack:
        parties = [(None, stack.enter_context(session.ours(work, settings)))]
        for variant in session.variants(variants):
            try:
                worker = session.theirs(work, settings, variant)
                parties.append((variant, stack.enter_context(worker)))
            except Failed as reason:
                rounds.skipped[variant] = str(reason)
        each_round(session, rounds, parties, repeat, lambda got: got["seconds"])
    return rounds


def fresh(session, work, settings, variants, steps, measure):
    """A figure of processes that are new in each round."""
    rounds = Rounds()
    for _ in range(session.rounds):
        with session.ours(work, settings) as worker:
            rounds.ours.append(measure(worker, steps))
        for variant in session.variants(variants):
            if variant in rounds.skipped:
                continue
            try:
                with session.theirs(work, settings, variant) as worker:
                    rounds.add_theirs(variant, measure(worker, steps))
            except Failed as reason:
                rounds.skipped[variant] = str(reason)
                rounds.theirs.pop(variant, None)
    return rounds


def step_row(words, settings, target, repeat=1, variants=COLOUR, work="step"):
    def measure(session, name):
        rounds = timed(session, work, session.size(settings), variants, repeat)
        return [row(name, words, "s", rounds, target)]
    return measure


def startup_row(words, settings, target):
    def measure(session, name):
        rounds = fresh(session, "step", session.size(settings), ("eager",), 0,
                       lambda worker, _: worker.startup)
        return [row(name, words, "s", rounds, target)]
    return measure


def memory_row(words, settings, target):
    def measure(session, name):
        rounds = fresh(session, "step", session.size(settings), COLOUR, 3,
                       lambda worker, steps: worker.run(steps)["peak_mb"])
        return [row(name, words, "MB", rounds, target)]
    return measure


# ---- ours alone -----------------------------------------------------------------


def epoch_row(session, name):
    settings = session.size(net("resnet20", 16, 128))
    settings["images"] = 16 if session.small else 50000
    if session.data:
        settings["data"] = session.data
    rounds = against([], [], "bare steps")
    with session.ours("epoch", settings) as worker:
        words = f"epoch of {worker.ready['images']} {worker.ready['data']}"
        for _ in range(session.rounds):
            got = worker.run(max(2, worker.ready["steps"] // 4))
            rounds.ours.append(got["epoch"])
            rounds.theirs["bare steps"].append(got["bare"])
    return [row(name, words + ", a step", "s", rounds, 1.02)]


def scaling_row(session, name):
    """What further threads bring to a step, over what they bring to GEMM."""
    settings = session.size(net("resnet20", 64, 64))
    gemm = session.gemm_settings()
    many = session.threads
    times = {"step": {1: [], many: []}, "gemm": {1: [], many: []}}
    with ExitStack() as stack:
        workers = [(kind, count, stack.enter_context(
                       session.ours(kind, of, threads=count)))
                   for kind, of in (("step", settings), ("gemm", gemm))
                   for count in sorted(times[kind])]
        for _ in range(session.rounds):
            for kind, count, worker in workers:
                got = worker.run(session.steps_of(1))
                times[kind][count].append(
                    got["seconds"] if kind == "step" else 1 / got["gflops"])
    rounds = against(scaling(times["step"][1], times["step"][many]),
                     scaling(times["gemm"][1], times["gemm"][many]), "GEMM")
    return [row(name, f"1 -> {many} threads, ResNet-20 w64 step", "x", rounds,
                0.95, at_least=True)]


def in_turn(session, work, sizes, repeat=1):
    """By size, what its process said when ready and its rounds' answers."""
    with ExitStack() as stack:
        workers = {key: stack.enter_context(session.ours(work, size))
                   for key, size in sizes.items()}
        answers = {key: [] for key in sizes}
        for _ in range(session.rounds):
            for key, worker in workers.items():
                answers[key].append(worker.run(session.steps_of(repeat)))
        return {key: (workers[key].ready, answers[key]) for key in sizes}


def batch_row(session, name):
    """The dearest batch's time per sample over the cheapest's."""
    batches = (2, 4) if session.small else (32, 64, 128, 256, 512)
    width = 4 if session.small else 16
    got = in_turn(session, "step",
                  {batch: net("resnet20", width, batch) for batch in batches})
    per_sample = [[answer["seconds"] / batch for answer in answers]
                  for batch, (_, answers) in got.items()]
    rounds = against(map(max, zip(*per_sample)), map(min, zip(*per_sample)),
                     "cheapest batch")
    words = f"time per sample, batch {batches[0]}..{batches[-1]}, w{width}"
    made = row(name, words, "s", rounds, 1.15)
    made["series"] = {str(batch): sum(times) / len(times)
                      for batch, times in zip(batches, per_sample)}
    return [made]


def width_rows(session, name):
    """GFLOP/s of a step over GEMM's, by width; a row for each."""
    widths = (4, 8) if session.small else (8, 16, 32, 64, 128)
    batch = 4 if session.small else 64
    got = in_turn(session, "count",
                  {width: net("resnet20", width, batch) for width in widths},
                  repeat=0.4)
    made = []
    for width, (ready, answers) in got.items():
        rounds = against((ready["gflop"] / answer["seconds"]
                          for answer in answers),
                         [session.gemm_peak()] * len(answers), "GEMM peak")
        made.append(row(f"{name}_w{width}", f"ResNet-20 w{width} b{batch}",
                        "GFLOP/s", rounds))
    return made


def thor_rows(words, settings, split, refresh_target, average_target):
    def measure(session, name):
        size = {**session.size(settings), "split_dim": split}
        got = in_turn(session, "thor", {name: size}, repeat=0.5)[name][1]
        sgd, plain, refresh = ([answer[key] for answer in got]
                               for key in ("sgd", "plain", "refresh"))
        average = [(a + 49 * b) / 50 for a, b in zip(refresh, plain)]
        return [
            row(name + "_plain", words + " between refreshes", "s",
                against(plain, sgd, "Sgd step")),
            row(name + "_refresh", words + " with a refresh", "s",
                against(refresh, plain, "step between"), refresh_target),
            row(name + "_average", words + ", a refresh every 50", "s",
                against(average, sgd, "Sgd step"), average_target)]
    return measure


# By name; the targets are of the medians, for two threads and AVX-512.
ROWS = {
    "mlp_step": step_row("MLP 784-32-10 b32, step", net("mlp", 32, 32), 0.25,
                         100, VECTORS),
    "lenet5_step": step_row("LeNet5 b64, step", net("lenet5", 6, 64), 0.8, 20),
    "autoencoder_step": step_row("autoencoder b1000, step",
                                 net("autoencoder", 1000, 1000), 0.8, 2,
                                 VECTORS),
    "resnet20_w16_step": step_row("ResNet-20 w16 b128, step",
                                  net("resnet20", 16, 128), 0.85),
    "resnet20_w64_step": step_row("ResNet-20 w64 b64, step",
                                  net("resnet20", 64, 64), 0.6),
    "resnet18_step": step_row("ResNet-18 w64 b64 32x32, step",
                              net("resnet18", 64, 64), 0.6),
    "inference_b1": step_row("ResNet-20 w16 b1, inference",
                             net("resnet20", 16, 1), 0.4, 20, work="infer"),
    "inference_b256": step_row("ResNet-20 w16 b256, inference",
                               net("resnet20", 16, 256), 0.6, work="infer"),
    "startup": startup_row("start to first MLP step done", net("mlp", 32, 32),
                           0.15),
    "memory_w16": memory_row("peak memory, ResNet-20 w16 b128",
                             net("resnet20", 16, 128), 0.35),
    "memory_w64": memory_row("peak memory, ResNet-20 w64 b64",
                             net("resnet20", 64, 64), 0.5),
    "cifar10_epoch": epoch_row,
    "thread_scaling": scaling_row,
    "batch_scaling": batch_row,
    "gflops": width_rows,
    # A refresh costs at most 1 (1.2) steps beside the step itself.
    "thor_w16": thor_rows("THOR w16 b128", net("resnet20", 16, 128), 0, 2.0,
                          1.06),
    "thor_w64": thor_rows("THOR w64 b64, split 128", net("resnet20", 64, 64),
                          128, 2.2, 1.08),
}
