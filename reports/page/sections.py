"""The sections of the report's page, in order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from ..analysis import agreement
from ..analysis.break_even import break_evens, by_model
from ..analysis.elastic import Matrix, elastic_sentences
from ..analysis.execution import execution_sentences
from ..analysis.headline import lead_point
from ..analysis.iso_flops import control_sentence, iso_flops_sentence
from ..analysis.told import MOST
from ..analysis.verdicts import page_note, short_intervals
from ..tables.agreement_table import kept_table
from ..tables.break_even_table import NOTE as NOTE_BREAK_EVEN
from ..tables.break_even_table import break_even_table
from ..tables.image_cost_table import image_cost_table
from ..tables.iso_flops_table import NOTE, iso_flops_table
from ..tables.row_tables import all_rows_table, failed_table, legend_table, training_table
from ..tables.runtime_table import runtime_tables
from ..tables.subject_tables import latency_table, results_table, saving_table
from ..tables.where_it_hurts import NOTE as NOTE_PARTS
from ..tables.where_it_hurts import NOTE_JOINTS, where_it_hurts_table
from .page_text import CONVENTION, conditions, count_sentences, training_sentences
from .pictures import gallery
from .section import (
    LONG,
    Block,
    Columns,
    Facts,
    Material,
    Paragraph,
    Picture,
    Pictures,
    Section,
    Table,
    folded,
    side_by_side,
)  # fmt: skip
from .section_decision import decision

_WIDE_PX = 700
#: of the room for pictures
_SHARES = {"masks": 0.45, "people": 0.45, "differ": 0.1}
_TABLE_NOTE = (
    "Small signed percentages: change against the unmasked model. ± is the standard deviation over seeds."
)
_TIMES_NOTE = "IQR: interquartile range of the single timings."


_KEPT = (
    "A cell counts as kept where a token stands after the last block: one that was not dropped, or, of a mask that"
    " merges, the one that holds its group, at its own cell. IoU: of the kept cells of each person, mean over people;"
    " by chance: had as many cells been drawn by lot. Rank correlation: Spearman's, of each person's scores where a"
    " mask first acts; where one of the two has none, of how often each cell is kept. A joint counts as kept where its"
    " cell is; alone: and no other cell was merged with it."
)
_DIFFER_NOTE = (
    "The two masks that look at content and are least alike, on the same people: as it is where both keep the cell,"
    " yellow where only the first does, violet where only the second does, dark where neither does."
)


_IMAGES = (
    "These masks keep as many tokens as an image needs, up to a number. posebench fills every image up to that number,"
    " so that is what GFLOPsT and latency elsewhere on this page are of. An image alone costs what its own tokens cost;"
    " in a batch it is filled up to the longest. Counts are exact, at the numbers of tokens that occurred; times are"
    " those of the transformer, run with the tokens of the image (or longest image) at that percentile of the count."
)


def _accuracy(material: Material) -> list[Block]:
    own = material.figures("accuracy")
    if not own:
        return []
    latency = "; latency is that of the whole model, measured" if material.is_timed else ""
    what = Paragraph(
        "Up and to the left is better. GFLOPsT is the exact number of multiply-adds behind the backbone, choosing the"
        f" tokens included{latency}."
    )
    return [what, *side_by_side(material.figures("all_models")), *side_by_side(own)]


def _iso_flops(material: Material) -> list[Block]:
    by_model = material.findings.iso_flops_by_model
    if not by_model:
        return []
    what = Paragraph(
        "Masks at the same ratio need not cost the same: one that lets tokens go inside the network computes its first"
        " blocks on all of them. Here each mask is taken at the ratio at which it costs what the others cost."
    )
    sentences = [
        Paragraph(f"{model}: {sentence}" if len(by_model) > 1 else sentence)
        for model, points in by_model.items()
        for sentence in (*map(iso_flops_sentence, points), *filter(None, map(control_sentence, points)))
    ]
    tables = [folded(iso_flops_table(points)) for points in by_model.values()]
    return [what, *sentences, *side_by_side(material.figures("iso_flops")), *tables, Paragraph(NOTE, "note")]


def _elastic(material: Material) -> list[Block]:
    matrices = material.findings.matrices
    if not matrices:
        return []
    what = Paragraph(
        "A model's weights do not depend on its mask ratio, so a model trained at one ratio can be evaluated at any"
        " other. The diagonal holds the models evaluated as they were trained."
    )
    told = [Paragraph(f"{_matrix_title(one, matrices)}: {' '.join(elastic_sentences(one))}") for one in matrices]
    return [what, *told, *side_by_side(material.figures("elastic"))]


def _matrix_title(matrix: Matrix, matrices: Sequence[Matrix]) -> str:
    several = len({other.label for other in matrices}) > 1
    title = f"{matrix.label}, {matrix.mask}" if several else matrix.mask
    return title[:1].upper() + title[1:]


def _break_even(material: Material) -> list[Block]:
    figures = material.figures("break_even")
    if not figures:
        return []
    groups = by_model(break_evens(material.records)).values()
    tables = [folded(break_even_table(found)) for found in groups]
    return [*tables, *side_by_side(figures), Paragraph(NOTE_BREAK_EVEN, "note")]


def _savings(material: Material) -> list[Block]:
    figures = material.figures("saving")
    tables = [
        folded(table)
        for subject in material.findings.subjects
        for size in subject.batch_sizes
        if (table := saving_table(subject, size))
    ]
    # Each batch size has its plot and its table side by side.
    columns = [[block] for pair in zip_longest(figures, tables) for block in pair if block]
    if not columns:
        return []
    what = Paragraph(
        "What the count promises and what the clock shows. A point on the dashed line saves as much time as"
        " multiply-adds; below it, part of the saving is lost to work that no count sees (memory traffic, launching"
        " kernels, choosing and gathering tokens) or, for the whole model, to the backbone, which masking does not"
        " touch."
    )
    return [what, Columns(columns)]


def _runtimes(material: Material) -> list[Block]:
    return [folded(table) for table in runtime_tables(material.findings.subjects)]


def _where_it_hurts(material: Material) -> list[Block]:
    findings = material.findings
    tables = []
    for subject in findings.subjects:
        parts = (subject, findings.by_size, findings.by_joint)
        if grid := where_it_hurts_table(*parts):
            if len(grid.rows) > LONG:
                tables.append(Table(where_it_hurts_table(*parts, lead_point(subject).ratio)))
            tables.append(folded(grid))
    note = " ".join([NOTE_PARTS, *[NOTE_JOINTS] * bool(findings.by_joint.scores)])
    return [*tables, Paragraph(note, "note")] if tables else []


def _people(material: Material) -> list[Block]:
    shown, more = _pictures(material, "people", material.people_files)
    if not shown:
        return []
    what = Paragraph(
        "Held-out people whose pose the mask loses most, against the unmasked model: for each the annotated joints on"
        " what is left of the picture, the unmasked model's pose, and the masked model's. Chosen for being the worst,"
        " they are no sample of what usually happens."
    )
    return [what, Pictures(shown, "wide"), *more]


def _image_cost(material: Material) -> list[Block]:
    tables = [Table(table) for subject in material.findings.subjects if (table := image_cost_table(subject))]
    return [Paragraph(_IMAGES), *side_by_side(material.figures("image_cost")), *tables] if tables else []


def _counts(material: Material) -> list[Block]:
    sentences = count_sentences(material.findings.subjects)
    if not sentences:
        return []
    figures = [[figure] for figure in material.figures("count")]
    return [Columns([[Paragraph(CONVENTION), *map(Paragraph, sentences)], *figures], "beside")]


def _results(material: Material) -> list[Block]:
    subjects, records = material.findings.subjects, material.records
    blocks: list[Block] = [Table(results_table(subject)) for subject in subjects]
    blocks += [folded(table) for subject in subjects if (table := latency_table(subject))]
    blocks += map(Paragraph, execution_sentences(subjects))
    if subjects:
        margins = dict.fromkeys(subject.margin for subject in subjects)
        notes = [_TABLE_NOTE, _TIMES_NOTE if material.is_timed else "", short_intervals(subjects)]
        blocks.append(Paragraph(" ".join(filter(None, [*notes, *map(page_note, margins)])), "note"))
    blocks.append(Table(all_rows_table(records), "rows", f"Every row ({len(records)})"))
    return [*blocks, Table(legend_table(records), "legend", "What the columns mean")]


def _masks(material: Material) -> list[Block]:
    shown, more = _pictures(material, "masks", material.mask_files)
    if not shown:
        return []
    return [Pictures(shown, "wide" if any(picture.width > _WIDE_PX for picture in shown) else ""), *more]


def _pictures(material: Material, kind: str, files: Sequence[Path]) -> tuple[list[Picture], list[Block]]:
    """What of the files there is room for, and how many more there are."""
    models = {str(row["model"]) for row in material.records if row["model"]}
    shown = gallery(files, models, int(_SHARES[kind] * material.room))
    more = len(files) - len(shown)
    return shown, [Paragraph(f"{more} more in plots/{kind}.", "note")] if more else []


def _agreement(material: Material) -> list[Block]:
    models = agreement.by_model(material.findings.agreements)
    if not models:
        return []
    sentences = [
        f"{one.model}: {text}" if len(models) > 1 else text
        for own in models.values()
        for one in own
        if (text := agreement.agreement_sentence(one))
    ]
    pictures, more = _pictures(material, "differ", material.differ_files)
    shown: list[Block] = [Paragraph(_DIFFER_NOTE, "note"), Pictures(pictures, "wide"), *more] if pictures else []
    tables = [folded(kept_table(own)) for own in models.values()]
    # Of many masks a matrix is large: those of the deepest ratio stand for the others.
    told = [id(one) for own in models.values() for one in own if len(one.masks) <= MOST or one is own[-1]]
    figures = side_by_side(material.figures("agreement", lambda one: id(one) in told))
    if sum(map(len, models.values())) > len(told):
        figures.append(Paragraph("The same at other ratios: the folder plots.", "note"))
    return [Paragraph(_KEPT), *map(Paragraph, sentences), *tables, *figures, *shown]


def _training(material: Material) -> list[Block]:
    sentences = training_sentences(material.records)
    if not sentences:
        return []
    table = training_table(material.records)
    figures = side_by_side(material.figures("training"))
    fold = Table(table, "", f"Training of each cell ({len(table.rows)})")
    return [*map(Paragraph, sentences), *figures, fold]


def _conditions(material: Material) -> list[Block]:
    return [Facts(conditions(material.records))]


def _failed(material: Material) -> list[Block]:
    table = failed_table(material.records)
    return [Table(table, "")] if table else []


def _more(material: Material) -> list[Block]:
    return side_by_side(material.figures("more"))


SECTIONS: tuple[Section, ...] = (
    Section("What to choose", decision),
    Section("Accuracy against compute and time", _accuracy),
    Section("At equal GFLOPsT", _iso_flops),
    Section("Elastic evaluation", _elastic),
    Section("Counted and measured saving", _savings),
    Section("In each runtime", _runtimes),
    Section("Break-even", _break_even),
    Section("What single images cost", _image_cost),
    Section("Exact count and published convention", _counts),
    Section("More plots", _more),
    Section("Results", _results),
    Section("Where masks hurt", _where_it_hurts),
    Section("People that a mask loses", _people, fills=True),
    Section("Which tokens are kept", _agreement),
    Section("Masks on sample images", _masks, fills=True),
    Section("Training", _training),
    Section("Conditions", _conditions),
    Section("Cells that failed", _failed),
)
