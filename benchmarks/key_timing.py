"""Whether the time of a refusal tells where a wrong key begins to be wrong.

    python -m benchmarks.key_timing [keys]

It times the check of wrong keys of the right length, half of them wrong in the first byte and half in the
last, in random order, and prints Welch's t of the two samples, each without its slowest tenth, which
interruptions make. From -3.3 to 3.3 the two cannot be told apart: once in 1,000 runs chance goes beyond it.
"""

import random
import statistics
import sys
import time

from receiver.authentication import AuthenticationError, Authenticator

_KEY = "k" * 64
_BODY = b"{}"


def main(keys: int) -> None:
    """Measure and print."""
    check = Authenticator([_KEY.encode()], require_signature=False, tolerance=300).check
    times: dict[str, list[int]] = {"first byte": [], "last byte": []}
    order = [(0, "first byte"), (len(_KEY) - 1, "last byte")] * (keys // 2)
    random.shuffle(order)
    # Each key is a new text, made like any other: where one lies in memory shows in nanoseconds, too.
    wrong = [
        (name, _KEY[:at] + "abcdefghij"[number % 10] + _KEY[at + 1 :])
        for number, (at, name) in enumerate(order)
    ]
    for name, key in wrong:
        began = time.perf_counter_ns()
        try:
            check(key, None, _BODY)
        except AuthenticationError:
            times[name].append(time.perf_counter_ns() - began)
    kept = {name: sorted(each)[: len(each) * 9 // 10] for name, each in times.items()}
    for name, each in kept.items():
        _say(
            f"wrong in the {name}: {len(times[name])} keys, median {statistics.median(each):.0f} ns, "
            f"mean {statistics.fmean(each):.1f} ns"
        )
    first, last = kept.values()
    error = (statistics.variance(first) / len(first) + statistics.variance(last) / len(last)) ** 0.5
    t = (statistics.fmean(first) - statistics.fmean(last)) / error
    _say(f"difference {statistics.fmean(first) - statistics.fmean(last):+.2f} ns, Welch's t {t:+.2f}")


def _say(line: str) -> None:
    print(line)  # noqa: T201  # what a benchmark is for


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
