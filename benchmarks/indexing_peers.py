"""``python benchmarks/indexing_peers.py decode|naive VIDEO...``: what ``indexing.py`` is compared with.

A script of its own, so that each peer's process imports what it needs and no more.
"""

from __future__ import annotations

import sys
from pathlib import Path


def decode(videos: list[Path]) -> int:
    """The floor: frames as the image network wants them, and nothing done with them."""
    from polyreel.media.readers import frames

    for video in videos:
        for _frame in frames(video, 1.0, size=(224, 224)):
            pass
    return 0


def naive(videos: list[Path]) -> int:
    """What one would write first: read every frame, keep one a second, run the network eagerly."""
    import cv2
    import torch

    sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
    from export_image_tower import ImageTower, load_network

    tower = ImageTower(load_network())
    for video in videos:
        capture = cv2.VideoCapture(str(video))
        every = round(capture.get(cv2.CAP_PROP_FPS))
        number = 0
        with torch.inference_mode():
            while True:
                there, image = capture.read()
                if not there:
                    break
                if number % every == 0:
                    small = cv2.cvtColor(cv2.resize(image, (224, 224)), cv2.COLOR_BGR2RGB)
                    tower(torch.from_numpy(small)[None])
                number += 1
        capture.release()
    return 0


if __name__ == "__main__":
    sys.exit({"decode": decode, "naive": naive}[sys.argv[1]](list(map(Path, sys.argv[2:]))))
