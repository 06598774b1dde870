"""How many examples properties try: few and always the same ones, or `FESTIMO_FUZZ` times as many, new each time."""

import os

LONGER = int(os.environ.get("FESTIMO_FUZZ", "0"))


def examples(usual: int) -> int:
    return usual * max(LONGER, 1)
