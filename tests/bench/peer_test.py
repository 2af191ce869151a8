"""The driver of `./mjolnir bench --peer torch` without PyTorch: its arithmetic
on rounds whose ratios can be worked out by hand, its processes on stand-ins."""

import argparse
import contextlib
import io
import json
import os
import stat
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "..", "bench", "peer"))

import compare  # noqa: E402
import figures  # noqa: E402
import processes  # noqa: E402
import report  # noqa: E402
import rows  # noqa: E402

# A workload that takes as many seconds as its answers say: argv[1] has them in
# JSON, in turn, and whatever else is not looked at. A text is an error.
STAND_IN = """import json, sys
answers = json.loads(sys.argv[1])
print(json.dumps({"version": "stand-in 1", "threads": 2, "peak_mb": 10}),
      flush=True)
for line in sys.stdin:
    answer = answers.pop(0)
    key = "error" if isinstance(answer, str) else "seconds"
    print(json.dumps({key: answer, "steps": int(line), "peak_mb": 20}),
          flush=True)
"""


def rounds_of(ours, **theirs):
    rounds = figures.Rounds()
    rounds.ours, rounds.theirs = ours, theirs
    return rounds


class Arithmetic(unittest.TestCase):
    def test_ratio_is_to_the_best_variant_of_each_round(self):
        made = figures.row("a", "A", "s", rounds_of(
            [1.0, 3.0, 2.0], eager=[2.0, 8.0, 4.0], compiled=[4.0, 4.0, 5.0]),
            target=0.5)
        # 1/2, 3/4, 2/4
        self.assertEqual((made["ratio"], made["min"], made["max"]),
                         (0.5, 0.5, 0.75))
        self.assertEqual((made["ours"], made["peer"]), (2.0, 4.0))
        self.assertEqual(made["peer_variant"], "eager")  # 4 and 4: the first
        self.assertTrue(made["met"])
        self.assertEqual(made["variants"], {"eager": 4.0, "compiled": 4.0})

    def test_the_named_variant_has_the_lowest_median(self):
        self.assertEqual(figures.best_variant(
            {"eager": [1.0, 9.0, 9.0], "compiled": [5.0, 5.0, 5.0]}),
            "compiled")

    def test_two_rounds_have_the_middle_as_their_median(self):
        made = figures.row("a", "A", "s", rounds_of([1.0, 3.0],
                                                    eager=[1.0, 1.0]))
        self.assertEqual((made["ratio"], made["met"]), (2.0, None))

    def test_without_a_peer_there_is_no_ratio(self):
        made = figures.row("a", "A", "s", rounds_of([1.0]), target=1.0)
        for key in ("peer", "peer_variant", "ratio", "min", "max", "met"):
            self.assertIsNone(made[key])

    def test_targets(self):
        self.assertTrue(figures.met(0.85, 0.85))
        self.assertFalse(figures.met(0.86, 0.85))
        self.assertTrue(figures.met(0.95, 0.95, at_least=True))
        self.assertFalse(figures.met(0.94, 0.95, at_least=True))

    def test_scaling(self):
        self.assertEqual(figures.scaling([4.0, 3.0], [2.0, 2.0]), [2.0, 1.5])

    def test_what_moved(self):
        committed = [{"name": "same", "ratio": 1.0},
                     {"name": "better", "ratio": 1.0},
                     {"name": "worse", "ratio": 0.5},
                     {"name": "alone", "ratio": None},
                     {"name": "gone", "ratio": 1.0}]
        fresh = [{"name": "same", "ratio": 1.14},
                 {"name": "better", "ratio": 0.84},
                 {"name": "worse", "ratio": 0.6},
                 {"name": "alone", "ratio": 1.0},
                 {"name": "new", "ratio": 1.0}]
        self.assertEqual(figures.moved(fresh, committed),
                         [("better", 1.0, 0.84), ("worse", 0.5, 0.6)])


class Processes(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.script = os.path.join(folder.name, "stand_in.py")
        with open(self.script, "w", encoding="utf-8") as file:
            file.write(STAND_IN)
        self.program = os.path.join(folder.name, "stand_in")
        with open(self.program, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\nexec {sys.executable} {self.script} "
                       "'[0.5, 1.5, 0.5]' \"$@\"\n")
        os.chmod(self.program, stat.S_IRWXU)

    def worker(self, answers, **more):
        return processes.Worker([sys.executable, self.script,
                                 json.dumps(answers)], 2, **more)

    def session(self, theirs, **more):
        """One whose PyTorch answers as `theirs` says, by variant."""
        options = {"rounds": 3, "threads": 2, "steps": 4, "small": False,
                   "data": None, "program": self.program, "alone": False,
                   "variants": None, **more}
        session = compare.Session(argparse.Namespace(**options))
        session.theirs = lambda work, size, variant: self.worker(
            theirs[variant])
        return session

    def test_a_worker_answers(self):
        with self.worker([0.25]) as worker:
            self.assertEqual(worker.ready["version"], "stand-in 1")
            self.assertGreater(worker.startup, 0)
            self.assertEqual(worker.run(7), {"seconds": 0.25, "steps": 7,
                                             "peak_mb": 20})

    def test_a_worker_that_fails_says_why(self):
        with self.worker(["no compiler"]) as worker:
            with self.assertRaisesRegex(processes.Failed, "^no compiler$"):
                worker.run(1)
        with self.worker([]) as worker:  # it raises IndexError and ends
            with self.assertRaisesRegex(processes.Failed, "with 1.*IndexError"):
                worker.run(1)
        with self.assertRaisesRegex(processes.Failed, "printed 'hello'"):
            processes.Worker(["echo", "hello"], 1)

    def test_a_worker_that_hangs_is_ended(self):
        with self.assertRaisesRegex(processes.Failed, "ended with -9"):
            processes.Worker(["sleep", "60"], 1, timeout=0.2)

    def test_a_row_of_three_rounds(self):
        session = self.session({"eager": [2.0, 1.0, 4.0],
                                "compiled": [1.0, 3.0, 2.0]})
        row, = rows.step_row("A", rows.net("mlp", 32, 32), 0.5, 10,
                             rows.VECTORS)(session, "a")
        # 0.5/1, 1.5/1, 0.5/2
        self.assertEqual((row["ratio"], row["min"], row["max"]),
                         (0.5, 0.25, 1.5))
        self.assertEqual(row["peer_variant"], "eager")
        self.assertEqual(session.versions["mjolnir"], "stand-in 1")

    def test_a_variant_that_fails_is_skipped(self):
        session = self.session({"eager": [2.0, 2.0, 2.0]})

        def theirs(work, size, variant):
            if variant == "compiled":
                raise processes.Failed("no compiler")
            return self.worker([2.0, 2.0, 2.0])
        session.theirs = theirs
        row, = rows.step_row("A", rows.net("mlp", 32, 32), 0.5, 1,
                             rows.VECTORS)(session, "a")
        self.assertEqual(row["skipped"], {"compiled": "no compiler"})
        self.assertEqual(row["peer_variant"], "eager")

    def test_memory_is_that_of_processes_of_their_own(self):
        session = self.session({variant: [1.0] for variant in rows.COLOUR})
        row, = rows.memory_row("A", rows.net("resnet20", 16, 128), 0.35)(
            session, "a")
        self.assertEqual((row["ours"], row["ratio"]), (20, 1.0))

    def test_what_is_printed(self):
        session = self.session({"eager": [2.0, 1.0, 4.0]}, variants=["eager"])
        row, = rows.step_row("A", rows.net("mlp", 32, 32), 0.5, 1,
                             rows.VECTORS)(session, "a")
        # 0.5/2, 1.5/1, 0.5/4
        self.assertRegex(compare.line(row),
                         r"^A +500\.0 ms +2000 ms +eager +0\.250 "
                         r"\[0\.125, 1\.500\] +<= 0\.50 met$")


def canned():
    run = {"date": "2026-01-02", "cpu": "A CPU", "cpu_flags": ["avx2"],
           "cores": 2, "threads": 2, "rounds": 3, "steps": 6,
           "versions": {"mjolnir": "Mjolnir 1", "peer": "PyTorch 2"},
           "gemm_peak_gflops": 200.0, "gemm_peak_min": 190.0,
           "gemm_peak_max": 210.0, "rows": []}
    run["rows"].append(figures.row("mlp_step", "MLP", "s", rounds_of(
        [0.001], eager=[0.01], compiled=[0.02]), 0.25))
    for width, speed in ((8, 50.0), (16, 100.0)):
        run["rows"].append(figures.row(
            f"gflops_w{width}", f"w{width}", "GFLOP/s",
            figures.against([speed], [200.0], "GEMM peak")))
    return run


class Report(unittest.TestCase):
    def test_the_page_gets_the_table_between_its_marks(self):
        page = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"
        made = report.fill(page, canned())
        self.assertTrue(made.startswith(f"before\n{report.BEGIN}\n"))
        self.assertTrue(made.endswith(f"{report.END}\nafter\n"))
        self.assertNotIn("old", made)
        self.assertIn("| MLP | 1.000 ms | 10.0 ms | eager | **0.100** "
                      "| 0.100 - 0.100 | <= 0.25 | met |", made)
        self.assertIn("2026-01-02", made)
        self.assertEqual(report.fill(made, canned()), made)

    def test_a_page_without_marks_is_refused(self):
        with self.assertRaises(SystemExit), contextlib.redirect_stderr(
                io.StringIO()):
            report.fill("a page", canned())

    def test_ticks_are_round(self):
        self.assertEqual(report.ticks(260.0), [0, 100, 200])
        self.assertEqual(report.ticks(900.0), [0, 200, 400, 600, 800])
        for highest in (0.3, 1, 7, 19, 20, 33, 199, 201, 550, 1999):
            self.assertIn(len(report.ticks(highest)), range(3, 9), highest)

    def test_the_plot_has_a_point_for_each_width(self):
        picture = report.plot(canned())
        self.assertEqual(picture.count("<circle"), 2)
        self.assertIn("GEMM peak", picture)


if __name__ == "__main__":
    unittest.main()
