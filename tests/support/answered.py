"""Rendered people whose annotated keypoints are what a network says of them: it scores 1, another does not."""

import json
from pathlib import Path

from posebench.benchmark.artifacts.file_model import SameSamples
from posebench.pose.evaluation.inference import InferenceOptions, predict_people
from posebench.pose.people.folder import load_people
from posebench.pose.synth import write_synthetic


def answered_by(model, folder, people=12):
    """A data folder with the answers of `model` to its people, each with the random mask of sample 0."""
    if not folder.exists():
        write_synthetic(folder, train=0, val=people, seed=5, jobs=1)
    data = load_people(folder, "val", input_size=model.spec.input_size)
    same = SameSamples(model.eval(), batch=1)
    found, _ = predict_people(same, data.people, model.spec.skeleton, InferenceOptions(True, model.spec.convention))
    answers = {person.person_id: pose for person, pose in zip(data.people, found, strict=True)}
    path = Path(data.annotation_file)
    content = json.loads(path.read_text())
    for person in content["annotations"]:
        if person["id"] in answers:
            person["keypoints"] = [value for x, y, _ in answers[person["id"]].tolist() for value in (x, y, 2)]
            person["num_keypoints"] = len(answers[person["id"]])
    path.write_text(json.dumps(content))
    return folder
