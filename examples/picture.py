"""Show a bot a picture: python examples/picture.py --demo PICTURE"""

import sys

import realcoze

*_, path = sys.argv

with realcoze.open_sync(demo="--demo" in sys.argv) as coze:
    picture = coze.upload(path, bot="pictures")
    print(coze.ask([picture, "What is this?"], bot="pictures").text)
