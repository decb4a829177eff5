"""`srlib data` and `srlib bench`: pictures and speed."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from srlib.commands.options import Commands, Parser, bar, json_file, whole


def add_data(commands: Commands) -> None:
    parser = commands.add_parser("data", help="list, download and check sets of pictures")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=Parser)
    actions.add_parser("list", help="the sets, and which are here").set_defaults(run=_data_list)
    get = actions.add_parser("get", help="download sets, with hashes; resumes where it stopped")
    get.add_argument("names", nargs="+", metavar="NAME")
    get.set_defaults(run=_data_get)
    check = actions.add_parser("check", help="is a folder, or a pair of LR and HR folders, safe to train on?")
    check.add_argument("folder", metavar="FOLDER", help="HR pictures: a folder or the name of a set")
    check.add_argument("--lr", metavar="FOLDER", help="their LR partners, by name (0001.png with 0001x4.png is fine)")
    check.add_argument("--scale", type=whole, help="HR pixels per LR pixel (default: the commonest ratio)")
    check.add_argument("--hr-crop", type=whole, metavar="N", help="side of training patches (default: SRResNet's)")
    check.add_argument("--json", type=json_file, metavar="FILE", help="write all rows, with every name")
    check.set_defaults(run=_data_check)


def _data_list(args: argparse.Namespace) -> None:
    from srlib import datasets

    for row in datasets.status():
        print(f"{row.name:12} {row.images:5} pictures {row.bytes / 1e6:9.1f} MB  {row.state:12} {row.folder}")


def _data_get(args: argparse.Namespace) -> None:
    from srlib import datasets

    datasets.get(*args.names)
    _data_list(args)


def _data_check(args: argparse.Namespace) -> int:
    from srlib.data_check.folder import HR_CROP, check

    def progress(paths: Iterable[Path]) -> Iterable[Path]:
        return bar(paths, "picture")

    report = check(args.folder, args.lr, scale=args.scale, hr_crop=args.hr_crop or HR_CROP, progress=progress)
    print(report.table())
    if args.json:
        report.write_json(args.json)
    return 0 if report.is_safe else 1


def add_bench(commands: Commands) -> None:
    parser = commands.add_parser("bench", help="speed and exactness beside other libraries, as ratios")
    parser.add_argument(
        "what",
        nargs="?",
        choices=("metrics", "degrade", "train"),
        default="metrics",
        help="metrics: resizing, PSNR, SSIM, start-up (default); degrade: random degradations; train: steps a second, "
        "waiting, memory",
    )
    parser.add_argument("--threads", type=int, default=1, help="one thread is the fairest comparison")
    parser.add_argument("--device", default="cpu", help="where `train` is measured: cpu, cuda, mps")
    parser.set_defaults(run=_bench)


def _bench(args: argparse.Namespace) -> None:
    from srlib import bench, bench_degrade, bench_train
    from srlib.inference import checked

    if args.what != "train" and args.device != "cpu":
        raise ValueError(f"{args.what} is measured on the CPU: leave --device {args.device} out, or name `train`")
    if args.what == "train":
        print(bench_train.report(device=checked(args.device), threads=args.threads))
    else:
        print((bench_degrade if args.what == "degrade" else bench).report(threads=args.threads))
