"""What the usual mistakes in 07.7 give: cause -> formula, computed only when an answer is wrong."""

import re
from collections.abc import Callable

# cause -> what the mistake makes of a name
NAMES: dict[str, Callable[[str], str]] = {
    "this name is left as it was": lambda name: name,
    "the RDB inside of RRDB_trunk is replaced too: RRDB_trunk first": lambda name: name.replace("RDB", "rdb"),
    "all of it in small letters: only RDB becomes rdb": str.lower,
    "RDB must become rdb": lambda name: name.replace("RRDB_trunk", "body"),
    "RRDB_trunk must become body": lambda name: re.sub(r"\bRDB", "rdb", name),
    "the body's numbers begin at 0 in both": lambda name: re.sub(
        r"RRDB_trunk\.(\d+)\.RDB", lambda m: f"body.{int(m[1]) + 1}.rdb", name
    ),
    "the body's numbers stay as they are": lambda name: re.sub(
        r"RRDB_trunk\.(\d+)\.RDB", lambda m: f"body.{int(m[1]) - 1}.rdb", name
    ),
    "the dense blocks begin at 1 in both": lambda name: re.sub(
        r"RRDB_trunk\.(\d+)\.RDB(\d)", lambda m: f"body.{m[1]}.rdb{int(m[2]) - 1}", name
    ),
    "only one digit of the block's number was read": lambda name: re.sub(
        r"RRDB_trunk\.(\d)\d*\.RDB", r"body.\1.rdb", name
    ),
    "what follows, .weight or .bias, was lost": lambda name: _renamed(name).rpartition(".")[0],
    "every trunk became body: trunk_conv is conv_body": lambda name: (
        name.replace("RRDB_trunk", "body").replace("RDB", "rdb").replace("trunk", "body")
    ),
    "upconv is conv_up, with its number behind": lambda name: name.replace("upconv", "up_conv"),
    "upconv is conv_up, and its number stays": lambda name: re.sub(r"upconv\d", "conv_up", name),
    "upconv1 is conv_up1, and upconv2 conv_up2": lambda name: name.replace("upconv", "conv_up").translate(
        str.maketrans("12", "21")
    ),
    "what is one of today's names already stays": lambda name: name.replace("up", "conv_up"),
    "HRconv is conv_hr, in small letters": lambda name: name.replace("HRconv", "conv_HR"),
}


def _renamed(name: str) -> str:
    for old, new in (("RRDB_trunk", "body"), ("RDB", "rdb"), ("trunk_conv", "conv_body"), ("upconv", "conv_up")):
        name = name.replace(old, new)
    return name.replace("HRconv", "conv_hr")
