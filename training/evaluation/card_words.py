"""What no number says about the networks: the sentences of their model cards."""

from collections.abc import Mapping
from dataclasses import dataclass

from film.specs import DEFECTS, FILM_ORIGIN, NEGATIVE_CONDITION


@dataclass(frozen=True)
class Words:
    """The fixed part of a card."""

    question: str
    made: str
    outputs: str
    use: tuple[str, ...]
    not_for: tuple[str, ...]
    data: tuple[str, ...]
    limits: tuple[str, ...]


MAP = next(tensor for tensor in NEGATIVE_CONDITION.outputs if tensor.name == "DEFECT_MAP")
ROWS, COLUMNS = MAP.shape[1:]
LICENSED = (
    "digital photographs that may be used: 154 by the author of drewnoakes/metadata-extractor-images "
    '("free to use these media files however you wish") and 2 in the public domain (NOTICE)'
)
WORDS: Mapping[str, Words] = {
    FILM_ORIGIN.name: Words(
        question="Was this photograph taken on film or with a digital camera?",
        made="A network in Keras, trained from scratch; its recipe below names which of ours it is (docs/training.md).",
        outputs=f"SCORES FP32 [2]: probability of {', of '.join(FILM_ORIGIN.labels)}",
        use=(
            "Sorting a collection of scans and camera files, with a person who looks at what is unsure.",
            "Finding candidates for film in an archive (use `archive` below).",
        ),
        not_for=(
            "Proof that a photograph was or was not taken on film.",
            "Telling generated pictures from photographs.",
            "Negatives: they are not among what it learnt.",
        ),
        data=(
            f"Both classes begin with {LICENSED}.",
            "Film is SIMULATED from the digital photographs: published characteristic curves of real films "
            "(CC BY 4.0), grain, halation and a lab's scan. Real film was learnt from only if "
            "`photographs, train film` is below.",
            "None of the pictures that the tables below are about was trained on.",
        ),
        limits=(
            "Real film differs from simulated film; labs, scanners and stocks differ from each other. See the tables.",
            "A digital photograph that was edited to look like film may be taken for it.",
            "Pictures of one source resemble each other, and sources are few: the intervals are wide for that reason.",
            "Labels come from EXIF; film that was photographed with a camera would be called digital there.",
        ),
    ),
    NEGATIVE_CONDITION.name: Words(
        question="Is this colour negative readable, and what is wrong with it?",
        made="ResNet-18 in PyTorch, trained from scratch, with an answer for each defect in each of "
        f"{ROWS} x {COLUMNS} places (docs/training.md).",
        outputs=f"SCORES FP32 [2]: probability of {', of '.join(NEGATIVE_CONDITION.labels)}; DEFECTS FP32 [6]: "
        f"{', '.join(name.replace('_', ' ') for name in DEFECTS)}; "
        f"{MAP.name} {MAP.dtype} [{len(DEFECTS)},{ROWS},{COLUMNS}]",
        use=("Ordering a roll or an archive by what a person should look at first (use `archive` below).",),
        not_for=(
            "Throwing negatives away without looking.",
            "Anything that is not a negative: there is no class for it, and the answer means nothing.",
            "Dust and scratches alone: in training they are drawn as what does not matter.",
        ),
        data=(
            f"All negatives are SIMULATED, from {LICENSED}: exposed on published film curves "
            "(CC BY 4.0), developed, damaged or not, and photographed by a simulated phone over a light.",
            "Real negatives were learnt from only if `real negatives trained on` is below.",
        ),
        limits=(
            "Real negatives to judge by are few, most of them readable: they say next to nothing about the damaged.",
            "What is damaged is what the simulator draws as such; where it begins is a matter of taste.",
            "The probabilities are those of a 1:1 prior: where few negatives are damaged, more alarms are false.",
        ),
    ),
}
