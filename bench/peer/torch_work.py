"""One workload of bench/peer/workload.cpp in PyTorch, under the same command:

    torch_work.py step --net resnet20 --width 16 --batch 128 --threads 2 \\
        --variant channels_last

sets up, does the work once, and prints a line of JSON. To every line with a
number on its input it does the work so many times and answers with a line of
figures; at the end of its input it ends. What fails is told in a line too:
{"error": "..."}.
"""

import argparse
import json
import resource
import statistics
import sys
import time

import torch

import nets

# How a user may run the same script: as it stands, with the images and weights
# channels-last, through torch.compile with its default backend, and with both.
VARIANTS = ("eager", "channels_last", "compiled", "compiled_channels_last")


def peak_memory():
    """Largest resident size of this process so far, in MB (Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def say(**figures):
    print(json.dumps({**figures, "peak_mb": peak_memory()}), flush=True)


def prepare(options):
    """The net and its batch in the form that the variant has."""
    torch.manual_seed(1)
    net = nets.NETS[options.net](options.width)
    images, labels = nets.batch_for(options.net, options.batch)
    if options.variant.endswith("channels_last"):
        net = net.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    if options.variant.startswith("compiled"):
        net = torch.compile(net)
    return net, images, labels


def training_step(options):
    net, images, labels = prepare(options)
    loss = nets.loss_for(options.net)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

    def step():
        optimizer.zero_grad()
        loss(net(images), images, labels).backward()
        optimizer.step()

    return step


def forward_pass(options):
    net, images, _ = prepare(options)
    net.eval()

    def forward():
        with torch.inference_mode():
            net(images)

    return forward


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def serve(options):
    torch.set_num_threads(options.threads)
    work = {"step": training_step, "infer": forward_pass}[options.work](options)
    work()
    say(version="PyTorch " + torch.__version__, threads=torch.get_num_threads(),
        onednn=torch.backends.mkldnn.is_available())
    for line in sys.stdin:
        say(seconds=statistics.median(timed(work) for _ in range(int(line))))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("work", choices=("step", "infer"))
    parser.add_argument("--net", choices=sorted(nets.NETS), default="resnet20")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--variant", choices=VARIANTS, default="eager")
    options = parser.parse_args()
    try:
        serve(options)
    except Exception as error:  # pylint: disable=broad-except
        words = str(error).strip().split("\n")[0]
        say(error=f"{type(error).__name__}: {words}")
        sys.exit(1)


if __name__ == "__main__":
    main()
