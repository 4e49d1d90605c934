#!/bin/sh
# A table of families: each learns the emoji for the same twenty minutes on two cores, with the same captions held
# out and the same combinations never shown, and is measured by `rebus eval` on the same captions.
#
#   sh benches/families.sh emoji64.tar OUT [FAMILY…]
#
# The steps are twenty minutes' worth on an AMD EPYC (Zen 4, AVX-512) with nothing beside; on another machine set them by
# `--dry-run`. All draw 32x32 but the latent flow, which draws 64x64: it needs `rebus train emoji-autoencoder` first, whose
# time is not counted here. What was trained or measured already is left as it is.
set -eu
DATA=$1 OUT=$2
shift 2
REBUS=${REBUS:-target/release/rebus}
mkdir -p "$OUT"
test -f "$OUT/parts.json" || "$REBUS" data split "$DATA" --kind composition -o "$OUT/parts.json"
test -f "$OUT/said.json" || "$REBUS" data split "$DATA" --kind perturbed --count 300 -o "$OUT/said.json"

# Name, recipe, steps, and what else is set.
family() {
    name=$1 recipe=$2 steps=$3
    shift 3
    run=$OUT/$name
    third=$((steps / 3))
    if test -d "$run/checkpoints"; then
        "$REBUS" train --run "$run" --resume
    else
        "$REBUS" train "$recipe" --data "$DATA" --run "$run" --set "data.split=$OUT/parts.json" \
            --set "train.steps=$steps" --set "train.decay_start=$third" --set "train.decay_steps=$((steps - third))" "$@"
    fi
    test -f "$OUT/$name.png" ||
        "$REBUS" generate "grinning face" "red heart" pizza "woman firefighter: dark skin tone" "a blue apple" "dog face" \
            "flag: Japan" "a purple cat" --seed 3 --model "$run/model" -o "$OUT/$name-drawn" --sheet "$OUT/$name.png"
    test -d "$OUT/$name-parts" ||
        "$REBUS" eval "$run/model" --data "$DATA" --split "$OUT/parts.json" --samples 1000 -o "$OUT/$name-parts"
    test -d "$OUT/$name-said" ||
        "$REBUS" eval "$run/model" --data "$DATA" --split "$OUT/said.json" --samples 300 -o "$OUT/$name-said"
}

for name in "${@:-flow transformer vae gan latent}"; do
    for name in $name; do
        case $name in
        flow) family flow emoji-flow 5800 ;;
        transformer) family transformer emoji-flow 1700 --set 'model={family="flow",transformer={}}' ;;
        vae) family vae emoji-vae 4300 --set data.image_size=32 --set 'model.widths=[48,96,160,224]' ;;
        gan) family gan emoji-gan 2900 ;;
        latent) family latent emoji-latent-flow 6400 ;;
        *) echo "no family $name here" >&2 && exit 2 ;;
        esac
    done
done
for kind in parts said; do
    "$REBUS" eval --compare "$OUT"/*-$kind
done
