#!/usr/bin/env python3
"""Vectors that the anomaly profile's KitNET is held against: `kitnet_vectors.py > data/kitnet_vectors.json`.

Needs PySAD 0.7 (`pip install pysad==0.7.0`), whose KitNet is the authors' KitNET-py with a normalisation that
leaves constant inputs unscaled. Written are the inputs, the feature map that was learned, the weights as they were
before training, and the scores: those of the training's last instances, while it goes on, and those after it.
"""
import json
import sys

import numpy as np
from pysad.models import KitNet
from pysad.models.kitnet_model import KitNET as kit

FEATURES, MAPPING, TRAINING, SCORED, GROUP = 30, 80, 120, 60, 6


def stream(rng):
    """Three groups that go together, noise, a step, and two constants."""
    count = MAPPING + TRAINING + SCORED
    hidden = rng.normal(size=(count, 3))
    x = np.zeros((count, FEATURES))
    for i in range(FEATURES - 4):
        x[:, i] = hidden[:, i % 3] * (1 + i) + rng.normal(size=count) * (0.1 + 0.05 * i)
    x[:, -4] = rng.exponential(size=count) * 1000
    x[:, -3] = np.arange(count) > count // 2
    x[:, -2] = 7.0
    # The last instances leave what was learned, one constant moves too.
    x[-20:] += rng.normal(size=(20, FEATURES)) * 5
    return np.round(x, 4)


def main():
    rng = np.random.RandomState(7)
    x = stream(rng)
    model = KitNet(GROUP, MAPPING, TRAINING, random_state=11)
    built = {}
    create = kit.KitNET.__createAD__

    def spy(self, feature_map, temporary):
        create(self, feature_map, temporary)
        if not temporary:
            built["map"] = [[int(i) for i in group] for group in feature_map]
            built["ensemble"] = [a.W.tolist() for a in self.ensembleLayer]
            built["output"] = self.outputLayer.W.tolist()

    kit.KitNET.__createAD__ = spy
    scores = []
    for instance in x:
        model.fit_partial(instance)
        scores.append(float(model.score_partial(instance)))
    json.dump(
        {
            "group": GROUP,
            "mapping": MAPPING,
            "training": TRAINING,
            "inputs": x.tolist(),
            **built,
            "scores_from": MAPPING,
            "scores": scores[MAPPING:],
        },
        sys.stdout,
    )
    print()


main()
