"""Small folders in COCO's format, for tests that read real files."""

import copy
import json
import os
import pathlib
import unittest

from tests import image_files

CATEGORIES = [{"id": 1, "name": "person"}, {"id": 3, "name": "car"}, {"id": 90, "name": "brush"}]


def annotation(number, image, box, category=1, crowd=0, segmentation=None):
    """An annotation whose object fills its box, unless it says otherwise."""
    x, y, width, height = box
    polygon = [x, y, x + width, y, x + width, y + height, x, y + height]
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": list(box),
        "area": float(width * height),
        "iscrowd": crowd,
        "segmentation": [polygon] if segmentation is None else segmentation,
    }


def instances(first_id=1, categories=CATEGORIES, sizes=((40, 60), (48, 32), (30, 50))):
    """Three images of `sizes`: two boxes and a crowd; none; one box."""
    images = [
        {"id": first_id + n, "file_name": f"{first_id + n:012}.jpg", "height": h, "width": w}
        for n, (h, w) in enumerate(sizes)
    ]
    height, width = sizes[0]
    # Of columns: the first 600 pixels are not of the object, the next 400 are, and so on.
    counts = [600, 400, height * width - 1000]
    crowd = {"size": [height, width], "counts": counts}
    number = 10 * first_id
    annotations = [
        annotation(number + 3, first_id + 2, (5, 6, 20.5, 12.25), categories[-1]["id"]),
        annotation(number + 1, first_id, (10, 8, 30, 20)),
        annotation(number + 2, first_id, (50, 30, 20, 8), categories[1]["id"]),
        annotation(number, first_id, (15, 0, 10, 40), crowd=1, segmentation=crowd),
    ]
    return {"images": images, "annotations": annotations, "categories": list(categories)}


def write(root, train=None, val=None):
    """Writes a folder: annotations and photographs of the sizes that they say."""
    contents = {"train2017": train or instances(), "val2017": val or instances(101)}
    for split, content in contents.items():
        image_files.write(
            pathlib.Path(root, split),
            {
                each["file_name"]: image_files.encode(
                    image_files.photo(each["id"], each["height"], each["width"])
                )
                for each in content["images"]
            },
        )
        text = json.dumps(content).encode()
        image_files.write(pathlib.Path(root, "annotations"), {f"instances_{split}.json": text})


def changed(content, part, position, **values):
    """A copy in which one row has other values; `...` takes a key away."""
    content = copy.deepcopy(content)
    row = content[part][position]
    row.update(values)
    for key in [key for key, value in values.items() if value is ...]:
        del row[key]
    return content


def mini():
    """The path of a folder of 80 + 79 images of COCO 2017; skips the test without it."""
    folder = pathlib.Path(os.environ.get("KDCL_DATA_DIR", ""), "coco_mini")
    if not folder.is_dir():
        raise unittest.SkipTest(f"no images of COCO in '{folder}': set KDCL_DATA_DIR")
    return str(folder)
