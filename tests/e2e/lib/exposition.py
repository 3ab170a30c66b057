# SPDX-License-Identifier: Apache-2.0
"""A strict reader of OpenMetrics 1.0 and of the text format 0.0.4, as far as wheelyard writes them.

It refuses what a scraper would refuse: a sample outside its family, a family or a sample that comes
twice, a counter without its suffix, a histogram whose buckets shrink, a missing end.
"""

import re

NAME = r"[a-zA-Z_][a-zA-Z0-9_]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)\Z")
LABEL = re.compile(rf'({NAME})="((?:[^"\\\n]|\\["\\n])*)"(?:,|\Z)')
SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_count", "_sum"),
    "summary": ("_count", "_sum"),
}


class Exposition:
    """families: name -> type. samples: (name, labels as a sorted tuple) -> value."""

    def __init__(self, text, is_open=True):
        assert text.endswith("\n")
        lines = text[:-1].split("\n")
        if is_open:
            assert lines.pop() == "# EOF", "the end is missing"
        self.families, self.helps, self.samples = {}, {}, {}
        self._is_open = is_open
        self._family = None
        for line in lines:
            assert line == line.strip() and line, f"an odd line: {line!r}"
            if line.startswith("# "):
                self._take_comment(*line.split(" ", 3)[1:])
            else:
                self._take_sample(line)
        assert self.helps.keys() == self.families.keys()
        self._check_histograms()

    def _take_comment(self, word, name, rest):
        assert re.fullmatch(NAME, name)
        if word == "HELP":
            assert name not in self.helps, f"{name} comes twice"
            self.helps[name] = rest
            return
        assert word == "TYPE" and name in self.helps and name not in self.families
        self.families[name] = rest
        self._family = name

    def _suffixes(self):
        kind = self.families[self._family]
        return ("",) if kind == "counter" and not self._is_open else SUFFIXES[kind]

    def _take_sample(self, line):
        found = SAMPLE.match(line)
        assert found, f"no sample: {line!r}"
        name, labels, value = found.groups()
        assert name in [self._family + suffix for suffix in self._suffixes()], f"{name} is in {self._family}"
        pairs = LABEL.findall(labels or "")
        rest = LABEL.sub("", labels or "")
        assert not rest, f"odd labels: {line!r}"
        key = (name, tuple(sorted(pairs)))
        assert len(dict(pairs)) == len(pairs) and key not in self.samples, f"twice: {line}"
        self.samples[key] = float(value)
        assert self.samples[key] >= 0

    def _check_histograms(self):
        for family in [f for f, kind in self.families.items() if kind == "histogram"]:
            rows = {}
            for (name, labels), value in self.samples.items():
                if name == f"{family}_bucket":
                    rest = tuple(pair for pair in labels if pair[0] != "le")
                    rows.setdefault(rest, []).append((float(dict(labels)["le"]), value))
            for labels, row in rows.items():
                assert row == sorted(row) and row[-1][0] == float("inf")
                assert row[-1][1] == self.samples[(f"{family}_count", labels)]
                assert (f"{family}_sum", labels) in self.samples

    def value(self, name, **labels):
        """The sample with exactly these labels; 0 when there is none."""
        return self.samples.get((name, tuple(sorted(labels.items()))), 0)

    def names(self):
        return {name for name, _ in self.samples}

    def label_values(self):
        return {(key, value) for _, labels in self.samples for key, value in labels}
