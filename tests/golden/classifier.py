"""The classifier: logits, and the smoothed loss with the gradients of one training step. See common.py."""

import torch
import torch.nn.functional as F
from common import Golden
from dual import picture_tower

CLASSES, SMOOTHING = 5, 0.1


def main():
    g = Golden(12)
    pictures = g.uniform(4, 3, 8, 8) * 2 - 1
    # The third picture's class is not known.
    classes, counts = torch.tensor([3, 0, 0, 4]), torch.tensor([1, 1, 0, 1])
    logits = picture_tower(g, pictures, "network", CLASSES)
    g.put(pictures=pictures, classes=classes[:, None], counts=counts[:, None].double(), logits=logits)
    known = counts.bool()
    g.put_gradients("step", F.cross_entropy(logits[known], classes[known], label_smoothing=SMOOTHING))
    g.save("classifier")


if __name__ == "__main__":
    main()
