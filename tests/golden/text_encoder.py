"""The text encoder: its outputs, and the gradients of a sum of them. See common.py."""

import torch
from common import Golden, text_encoder, texts

SIZES = dict(width=8, layers=2, heads=2, context=6, vocabulary=20)

def main():
    g = Golden(1)
    ids, mask = texts(SIZES["vocabulary"], SIZES["context"])
    sequence, counts, pooled = text_encoder(g, "", ids, mask, **SIZES)
    weights = g.normal(*sequence.shape), g.normal(*pooled.shape)
    g.put(ids=ids, mask=mask, sequence=sequence, counts=counts, pooled=pooled)
    g.put(sequence_weights=weights[0], pooled_weights=weights[1])
    g.put_gradients("step", (sequence * weights[0]).sum() + (pooled * weights[1]).sum())
    g.save("text_encoder")


if __name__ == "__main__":
    main()
