"""What the page's words mean, for a reader who comes from elsewhere: those that occur on it."""

from __future__ import annotations

from collections.abc import Iterable

_WORDS = (
    ("mask", "a way to spend less on visual tokens, the pieces of the picture that a transformer works on: some are"
     " dropped, merged, or cut off from each other"),
    ("mask ratio", "the share of the visual tokens that is gone after the last block"),
    ("control", "a mask that looks at no content, as one that draws lots; one that looks must beat it"),
    ("GFLOPs, MAC", "1e9 multiply-adds for one image, counted exactly; a fused one (MAC) counts once"),
    ("GFLOPsT", "the same for all that comes behind the backbone: patch embedding, choosing tokens, transformer, head"),
    ("published convention", "how the papers' tables count, which is not what is executed; shown for comparison only"),
    ("OKS", "object keypoint similarity: how near a pose comes to the annotated one, by the person's size and a"
     " tolerance for each joint; 1 is exact"),
    ("AP", "COCO's average precision of keypoints, the mean over ten thresholds of OKS from 0.50 to 0.95; 0 to 1"),
    ("PCKh", "the share of joints within a part of the head's size of the truth (@0.5: half of it)"),
    ("95 % interval", "in 95 of 100 repetitions, with other people and, where several seeds were trained, other"
     " trainings, such an interval holds the true value"),
    ("paired", "both models judged on the same people, or timed in the same rounds: what these have in common cancels"),
    ("margin", "the loss of accuracy that counts as negligible, which is the reader's to say (--margin)"),
    ("non-inferiority", "a test that the loss is below the margin, where others test only that there is any loss"),
    ("tested together, Holm", "of many tests some pass by luck; Holm's correction makes each stricter, so that the"
     " chance of any false word among them is that of a single one"),
    ("max-T", "intervals of several differences that hold all at once, so that the best may be picked by looking"),
    ("Pareto front", "the configurations that no other beats in both accuracy and cost"),
    ("draws", "the people drawn anew, some twice and some not at all, and all scores computed again (bootstrap)"),
    ("as counted, no saving shown, slower", "of time, by the paired interval: over processes where three or more timed"
     " it (--processes), else over rounds in one process, of which another may come out a percent off"),
    ("IQR", "interquartile range: the middle half of the single timings lies within it"),
    ("seed", "where a training begins and in which order it sees people; another seed is another training"),
)  # fmt: skip


def words_on(texts: Iterable[str]) -> list[tuple[str, str]]:
    """The words that occur in some of the texts, each with its meaning."""
    whole = "\n".join(texts).replace("\N{NO-BREAK SPACE}", " ")
    return [(word, meaning) for word, meaning in _WORDS if any(part in whole for part in word.split(", "))]
