"""What the figures rest on: `python3 -B -m unittest measure.tests`, in bench/."""

import contextlib
import io
import subprocess
import sys
import types
import unittest
import xml.etree.ElementTree as xml

from measure import data, document, plot, processes, recorded, turns

RUN = {
    "per_cpu_second": 10.0,
    "per_cpu_second_quartiles": [9.0, 11.0],
    "per_second": 5.0,
    "server_us": 3.0,
    "database_us": 0.0,
    "bytes": 9,
    "p50_us": 1,
    "p99_us": 2,
    "p999_us": 3000,
    "pss_mib": 4.0,
    "hit_ratio": 0.5,
}


def found(low, median, high):
    """A result in which Pando does so much beside nginx."""
    return {
        "fields": {
            "cached": {
                "runs": {"pando-file": RUN, "nginx": RUN},
                "ratios": {"pando-file": {"nginx": {"low": low, "median": median, "high": high}}},
            }
        },
        "versions": {name: {"title": name, "version": "1 & <2>"} for name in ("pando-file", "nginx")},
        "strictness": {"sqlite": {"0.10": {"strict": RUN, "none": {**RUN, "per_cpu_second": 20.0}}}},
    }


class Processes(unittest.TestCase):
    def test_children_that_have_ended_count_once(self):
        burn = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
        wait = (
            f"import subprocess, sys, time\nsubprocess.run([sys.executable, '-c', {burn!r}])\nprint(flush=True)\ntime.sleep(60)"
        )
        parent = subprocess.Popen([sys.executable, "-c", wait], stdout=subprocess.PIPE)
        try:
            before = processes.cpu_seconds(parent.pid)
            parent.stdout.readline()
            used = processes.cpu_seconds(parent.pid) - before
        finally:
            parent.kill()
            parent.communicate()
        self.assertTrue(0.28 <= used < 0.55, used)

    def test_memory_of_children_counts(self):
        nested = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'x = bytearray(b\"x\") * 2**25; print(flush=True); input()'])"
        parent = subprocess.Popen([sys.executable, "-c", nested], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        parent.stdout.readline()
        told = processes.memory(parent.pid)
        parent.communicate(b"\n")
        self.assertGreater(told["anonymous"], 32)
        self.assertGreaterEqual(told["pss"], told["anonymous"])


class Data(unittest.TestCase):
    def test_moments_are_the_same_in_every_spelling(self):
        micros = data.climb(3)["climbed_at"]
        for text in (data.moment(micros), data.moment(micros, " ", "Z"), data.printed(data.climb(3))["climbed_at"]):
            self.assertEqual(data.microseconds(text), micros, text)
        self.assertEqual(data.printed({"climbed_at": 1_700_000_000_000_000})["climbed_at"], "2023-11-14T22:13:20+00:00")
        self.assertEqual(data.printed({"climbed_at": 1_700_000_000_120_000})["climbed_at"], "2023-11-14T22:13:20.12+00:00")

    def test_what_is_expected_is_what_the_tables_are_filled_with(self):
        tables = {name: [dict(zip(columns, row)) for row in rows] for name, columns, rows in data.tables(60)}
        self.assertEqual(data.expected("list30", 7), tables["climbs"][7:37])
        self.assertEqual(data.expected("point", 1), tables["climbs"][:1])
        first = data.expected("embeds", 7)[0]
        self.assertEqual(
            [one["id"] for one in first["comments"]], [row["id"] for row in tables["comments"] if row["climb_id"] == 8]
        )

    def test_the_order_of_comments_counts_for_nothing_and_that_of_rows_does(self):
        self.assertEqual(
            data.canonical(b'[{"id":1,"comments":[{"id":2},{"id":1}]}]'),
            data.canonical(b'[{"id":1,"comments":[{"id":1},{"id":2}]}]'),
        )
        self.assertNotEqual(data.canonical(b'[{"id":1},{"id":2}]'), data.canonical(b'[{"id":2},{"id":1}]'))


class Turns(unittest.TestCase):
    def turn(self, requests, server, database=0.0):
        return turns.Turn(requests, 1.0, server, database, {"p50": 1, "p99": 2, "p999": 3}, 0, {})

    def test_ratios_are_of_the_same_round(self):
        # A machine that is half as fast in the second round.
        ours, theirs = [self.turn(200, 1.0), self.turn(100, 1.0)], [self.turn(100, 1.0), self.turn(50, 1.0)]
        self.assertEqual(turns.ratio(ours, theirs), {"low": 2.0, "median": 2.0, "high": 2.0})

    def test_the_database_is_charged(self):
        self.assertEqual(self.turn(100, 0.5, 1.5).per_cpu_second, 50)

    def test_everybody_is_warmed_up_and_asked_alone_in_every_round_in_another_order(self):
        awake, asked = set("abc"), []

        def rival(name):
            pause, resume = lambda: awake.discard(name), lambda: awake.add(name)
            return types.SimpleNamespace(name=name, is_pando=name == "a", pause=pause, resume=resume)

        def ask(rival, seconds):
            self.assertEqual(awake, {rival.name})
            asked.append((rival.name, seconds))
            return self.turn(10, 1.0)

        with contextlib.redirect_stderr(io.StringIO()):
            turns.take_turns("field", [rival(name) for name in "abc"], ask, types.SimpleNamespace(rounds=12, seconds=7))
        self.assertEqual(awake, set("abc"))
        self.assertEqual([name for name, seconds in asked if seconds == turns.WARM_UP_SECONDS], ["a", "b", "c"])
        rounds = ["".join(name for name, _ in asked[at : at + 3]) for at in range(3, 39, 3)]
        self.assertTrue(all(sorted(one) == ["a", "b", "c"] for one in rounds))
        self.assertEqual(len({one[0] for one in rounds}), 3, rounds)
        self.assertEqual(len({one[-1] for one in rounds}), 3, rounds)


class Recorded(unittest.TestCase):
    SETTINGS = {"rows": 1, "connections": 2, "pool": 3}

    def compare(self, then, now, **settings):
        low, median, high = then
        before = {
            "settings": {**self.SETTINGS, **settings},
            "ratios": {"cached: pando-file / nginx": {"low": low, "median": median, "high": high}},
        }
        told = io.StringIO()
        with contextlib.redirect_stdout(told):
            code = recorded.compare({**found(*now), "settings": self.SETTINGS}, before)
        return code, told.getvalue()

    def test_what_is_slower_beyond_the_noise_is_told(self):
        code, told = self.compare((0.95, 1.0, 1.1), (0.80, 0.82, 0.85))
        self.assertEqual(code, 1)
        self.assertIn("SLOWER", told)

    def test_what_may_be_noise_is_not(self):
        self.assertEqual(self.compare((0.95, 1.0, 1.1), (0.70, 0.82, 0.90))[0], 0)
        self.assertEqual(self.compare((0.80, 1.0, 1.1), (0.70, 0.72, 0.75))[0], 0)
        self.assertIn("faster", self.compare((0.9, 1.0, 1.1), (1.3, 1.4, 1.5))[1])

    def test_other_settings_are_told(self):
        self.assertIn("rows was 9", self.compare((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), rows=9)[1])
        self.assertNotIn("was", self.compare((1.0, 1.0, 1.0), (1.0, 1.0, 1.0))[1])


class Document(unittest.TestCase):
    def test_losses_are_told_from_the_figures(self):
        self.assertIn("- cached, pando-file, beside nginx: 0.50 (0.40 to 0.60)", document.losses(found(0.4, 0.5, 0.6)))
        self.assertNotIn("nginx", document.losses(found(1.4, 1.5, 1.6)))
        self.assertIn(
            "10% writes: keeping answers by `strict` costs more than it saves (0.50", document.losses(found(1.4, 1.5, 1.6))
        )

    def test_an_aim_that_is_missed_says_so(self):
        self.assertIn("**missed**", document.verdicts(found(0.9, 0.99, 1.1)))
        self.assertIn("reached", document.verdicts(found(0.9, 1.0, 1.1)))


class Plot(unittest.TestCase):
    def test_pictures_are_well_formed_and_nothing_lies_outside(self):
        result = found(0.4, 0.5, 0.6)
        for picture in (
            document.plots(result)["cached"],
            document.plots(result)["strictness"],
            plot.bars("a < b & 'c'", [("x", [("one", 5.0, (1.0, 9.0), True), ("two", 0.0, (0.0, 0.0), False)])]),
        ):
            root = xml.fromstring(picture)
            wide, tall = float(root.get("width")), float(root.get("height"))
            for bar in root.iter("{http://www.w3.org/2000/svg}rect"):
                x, y, width, height = (float(bar.get(name)) for name in ("x", "y", "width", "height"))
                self.assertTrue(0 <= x and 0 <= y and x + width <= wide and y + height <= tall, bar.attrib)


if __name__ == "__main__":
    unittest.main()
