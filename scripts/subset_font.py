"""The font that ships: Latin, and the 3,755 most used Chinese characters (GB 2312, level 1), out of Noto Sans CJK SC.

    pip install fonttools
    python scripts/subset_font.py NotoSansCJKsc-Regular.otf crates/rebus-assets/fonts/NotoSansSC-subset.otf

The font is in the Python package `mplfonts` and at https://github.com/notofonts/noto-cjk; its licence is the SIL Open Font License 1.1.
"""

import sys

from fontTools import subset


def characters():
    latin = range(0x20, 0x17F)
    marks = list(range(0x2010, 0x2040)) + list(range(0x3000, 0x3020)) + list(range(0xFF01, 0xFF5F)) + [0x20AC, 0x2122, 0x2192]
    level_1 = (bytes([row, cell]).decode("gb2312", "ignore") for row in range(0xB0, 0xD8) for cell in range(0xA1, 0xFF))
    return [*latin, *marks, *(ord(letter) for letter in level_1 if letter)]


def main():
    source, target = sys.argv[1:]
    options = subset.Options(layout_features=["kern", "liga", "ccmp"], hinting=False, name_IDs=[0, 1, 2, 6, 13, 14])
    font = subset.load_font(source, options)
    chosen = subset.Subsetter(options)
    chosen.populate(unicodes=characters())
    chosen.subset(font)
    subset.save_font(font, target, options)


if __name__ == "__main__":
    main()
