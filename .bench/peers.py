"""Times a warm ViT-B/16 forward pass with each peer and with eigenserve.

Each peer runs in a separate process, so that their threads and allocators do not
interfere. They take turns, and eigenserve runs after every peer, so that other load
on the machine affects all of them. Run it with .bench/peers, which makes the
environment.
"""

import argparse
import importlib.metadata
import json
import multiprocessing
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

THREADS = 2
BATCHES = (1, 8)
DTYPES = ("f32", "bf16")
LIBRARIES = {"PyTorch": "torch", "ONNX Runtime": "onnxruntime", "OpenVINO": "openvino"}
OURS = "eigenserve"

# The largest difference of a logit from PyTorch's float32, in standard deviations of
# the logits. In float32 only the order of sums differs; bf16 keeps eight bits of every
# factor through twelve blocks.
TOLERANCE = {"f32": 1e-3, "bf16": 0.1}


# --- the model and the images ---


def make_model(work):
    """Saves a seeded random ViT-B/16 of 1000 labels as a checkpoint folder."""
    folder = work / "vit-b16"
    if (folder / "model.safetensors").exists():
        return
    import torch
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(0)
    model = ViTForImageClassification(ViTConfig(num_labels=1000))
    # Biases start as 0 and norms as 1, which would hide a peer that drops one.
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() == 1:
                p.add_(torch.randn_like(p), alpha=0.02)
    model.save_pretrained(folder)
    processor = {"do_normalize": True, "do_rescale": True, "do_resize": True, "rescale_factor": 1 / 255,
                 "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 2,
                 "image_processor_type": "ViTImageProcessor", "size": {"height": 224, "width": 224}}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor, indent=2) + "\n")


def image_files(work):
    return [work / f"image-{i}.png" for i in range(max(BATCHES))]


def make_images(work):
    """Saves max(BATCHES) seeded smooth images as PNG, of the model's size so that they
    are not resized, and preprocessed as (n, 3, 224, 224) float32."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    images = []
    for file in image_files(work):
        coarse = Image.fromarray(rng.integers(0, 256, (14, 14, 3), dtype=np.uint8))
        image = coarse.resize((224, 224), Image.Resampling.BICUBIC)
        image.save(file)
        images.append(np.asarray(image))
    pixels = (np.stack(images).astype(np.float32) / 255 - 0.5) / 0.5
    np.save(work / "images.npy", np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))


def load_model(work, attention):
    """Returns the checkpoint as a module from pixel values to logits."""
    import torch
    from transformers import ViTForImageClassification

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = ViTForImageClassification.from_pretrained(work / "vit-b16", attn_implementation=attention)

        def forward(self, pixel_values):
            return self.model(pixel_values=pixel_values, return_dict=False)[0]

    return Logits().eval().requires_grad_(False)


def export(work):
    """Exports the model to ONNX, as PyTorch writes it and with ONNX Runtime's fusions."""
    plain, fused = work / "model.onnx", work / "fused.onnx"
    if fused.exists():
        return
    import torch
    from onnxruntime.transformers import optimizer

    # Eager attention: the fused operator exports with NaN guards that no peer removes.
    torch.onnx.export(
        load_model(work, "eager"), (torch.zeros(2, 3, 224, 224),), plain,
        input_names=["pixel_values"], output_names=["logits"], dynamo=True, external_data=False,
        dynamic_shapes={"pixel_values": {0: torch.export.Dim("batch")}}, verbose=False)
    optimizer.optimize_model(
        str(plain), model_type="vit", num_heads=12, hidden_size=768, opt_level=0,
    ).save_model_to_file(str(fused))


def prepare(work):
    make_model(work)
    make_images(work)
    export(work)


# --- the peers: each yields (dtype, setting, batch, pass from images to logits) ---


def torch_passes(work):
    import torch
    import torch._inductor.config as inductor

    torch.set_num_threads(THREADS)
    inductor.freezing = True  # packs the weights; needs no_grad, not inference_mode

    def run(model, dtype, mode):
        def forward(x):
            with mode():
                return model(torch.from_numpy(x).to(dtype)).float().numpy()
        return forward

    for name, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
        model = load_model(work, "sdpa").to(dtype)
        for batch in BATCHES:
            yield name, "eager", batch, run(model, dtype, torch.inference_mode)
            yield name, "compiled", batch, run(torch.compile(model, dynamic=False), dtype, torch.no_grad)


def onnxruntime_passes(work):
    import onnxruntime

    for setting, file in (("all optimisations", "model.onnx"), ("fused by its transformer optimizer", "fused.onnx")):
        for batch in BATCHES:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = THREADS
            options.inter_op_num_threads = 1
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
            options.add_free_dimension_override_by_name("batch", batch)
            session = onnxruntime.InferenceSession(str(work / file), options, providers=["CPUExecutionProvider"])
            yield "f32", setting, batch, lambda x, s=session: s.run(None, {"pixel_values": x})[0]


def onnxruntime_bf16():
    """Returns ONNX Runtime's error for a bf16 matmul on the CPU, or None if it has one."""
    import onnxruntime
    from onnx import TensorProto, helper

    a, b, c = (helper.make_tensor_value_info(n, TensorProto.BFLOAT16, [4, 4]) for n in "abc")
    graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "probe", [a, b], [c])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    try:
        onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    except Exception as refusal:  # its exceptions share no base class but this one
        return str(refusal).strip()
    return None


def openvino_passes(work):
    import openvino
    import torch

    core = openvino.Core()
    sources = {
        "from ONNX": lambda: core.read_model(work / "model.onnx"),
        "from PyTorch": lambda: openvino.convert_model(
            load_model(work, "sdpa"), example_input=torch.zeros(1, 3, 224, 224)),
    }
    for setting, source in sources.items():
        for batch in BATCHES:
            model = source()
            model.reshape([batch, 3, 224, 224])
            for dtype in DTYPES:
                request = core.compile_model(model, "CPU", {
                    "INFERENCE_PRECISION_HINT": dtype, "PERFORMANCE_HINT": "LATENCY",
                    "INFERENCE_NUM_THREADS": THREADS}).create_infer_request()
                yield dtype, setting, batch, lambda x, r=request: r.infer([x])[0]


PASSES = {"PyTorch": torch_passes, "ONNX Runtime": onnxruntime_passes, "OpenVINO": openvino_passes}


# --- a peer's process ---


def peer_process(peer, work, channel):
    """Sends the logits of every pass over channel; then, for each number of runs that it
    receives, the seconds of that many runs of every pass."""
    import numpy as np

    images = np.load(work / "images.npy")
    passes = {}
    logits = {}
    for dtype, setting, batch, forward in PASSES[peer](work):
        key = (peer, setting, dtype, batch)
        passes[key] = forward
        logits[key] = np.array(forward(np.ascontiguousarray(images[:batch])))
    channel.send(logits)
    while runs := channel.recv():
        seconds = {}
        for key, forward in passes.items():
            x = np.ascontiguousarray(images[:key[3]])
            forward(x)  # warms up after the other peers' turns
            seconds[key] = []
            for _ in range(runs):
                start = time.perf_counter()
                forward(x)
                seconds[key].append(time.perf_counter() - start)
        channel.send(seconds)


def in_process(target, *arguments):
    """Runs target in a new process, so that its libraries are unloaded afterwards."""
    process = multiprocessing.Process(target=target, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(f"peers: {target.__name__} failed")


# --- eigenserve ---


def ours(work, command, *arguments):
    """Runs an eigenserve command and returns what it prints."""
    done = subprocess.run(
        [work / OURS, command, *arguments],
        env=os.environ | {"GOMAXPROCS": str(THREADS)}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"peers: eigenserve {command}: {done.stderr.strip()}")
    return done.stdout


def time_ours(work, runs):
    """Returns the medians of warm passes in one `eigenserve bench`: {key: seconds}."""
    result = json.loads(ours(
        work, "bench", "--model", work / "vit-b16", "--only", "forward", "--repeats", str(runs), "--json"))
    isa = result["machine"]["isa"]
    return {(OURS, isa, row["dtype"], row["batch"]): row["ms"] / 1000
            for row in result["forward"] if row["mode"] == "slab" and row["batch"] in BATCHES}


def ours_logits(work):
    """Returns logits (n, 1000) of the images. The model becomes a family of one, whose
    means are rounded to float16, and is rebuilt from it."""
    import numpy as np

    with tempfile.TemporaryDirectory(dir=work) as store:
        ours(work, "fit", "--metric", "none", "--store", store, "--family", "peers", "--rank", "1", "--step", "0.5",
             "--basis-dtype", "f16", work / "vit-b16")
        answers = json.loads(ours(work, "classify", "--store", store, "--model", "vit-b16",
                                  "--function", "none", "--top", "0", "--json", *image_files(work)))
    logits = np.full((len(answers), 1000), np.nan)
    for row, answer in zip(logits, answers):
        for score in answer["scores"]:
            row[int(score["label"].removeprefix("LABEL_"))] = score["score"]
    return logits


# --- the comparison ---


def take_turns(work, rounds, runs):
    """Returns {key: [seconds]} of all engines and {key: logits} of the peers."""
    seconds, logits, channels = {}, {}, {}
    for peer in PASSES:
        channels[peer], theirs = multiprocessing.Pipe()
        multiprocessing.Process(target=peer_process, args=(peer, work, theirs), daemon=True).start()
        theirs.close()
        print(f"preparing {peer}", file=sys.stderr)
        logits |= channels[peer].recv()
    for turn in range(rounds):
        for peer, channel in channels.items():
            print(f"round {turn + 1} of {rounds}: {peer}", file=sys.stderr)
            channel.send(runs)
            for key, values in channel.recv().items():
                seconds.setdefault(key, []).extend(values)
            for key, value in time_ours(work, runs).items():
                seconds.setdefault(key, []).append(value)
    for channel in channels.values():
        channel.send(0)
    return seconds, logits


def report(seconds, logits, our_logits, bf16):
    """Returns the results of the run, as --json writes them."""
    reference = logits["PyTorch", "eager", "f32", max(BATCHES)]

    def apart(values):
        return float(abs(values - reference[:len(values)]).max())

    rows = []
    for (engine, setting, dtype, batch), values in seconds.items():
        ms = statistics.median(values) * 1000
        rows.append({"engine": engine, "setting": setting, "dtype": dtype, "batch": batch, "ms": round(ms, 1),
                     "least_ms": round(min(values) * 1000, 1), "images_per_s": round(batch * 1000 / ms, 2),
                     "measured": len(values), "logits_apart": apart(logits[engine, setting, dtype, batch]) if engine != OURS else None})
    rows.sort(key=lambda r: (DTYPES.index(r["dtype"]), r["batch"], r["ms"]))
    ratios = []
    for dtype in DTYPES:
        for batch in BATCHES:
            cell = [r for r in rows if (r["dtype"], r["batch"]) == (dtype, batch)]
            peers = [r for r in cell if r["engine"] != OURS]
            own = next(r for r in cell if r["engine"] == OURS)
            least = min(r["least_ms"] for r in peers)
            ratios.append({"dtype": dtype, "batch": batch, "peer": peers[0]["engine"],
                           "of_medians": round(own["ms"] / peers[0]["ms"], 3),
                           "of_least": round(own["least_ms"] / least, 3)})
    return {
        "threads": THREADS,
        "versions": {peer: importlib.metadata.version(package) for peer, package in LIBRARIES.items()},
        "logits_spread": float(reference.std()),
        "eigenserve_logits_apart": apart(our_logits),
        "forward": rows,
        "ratios": ratios,
        "onnxruntime_bf16": bf16 or "supported, but not measured here",
    }


def show(result):
    print("| dtype | batch | engine | setting | median ms | least ms | images/s | logits apart |")
    print("|---|---|---|---|---|---|---|---|")
    for r in result["forward"]:
        apart = "–" if r["logits_apart"] is None else f"{r['logits_apart']:.1e}"
        engine = f"{r['engine']} {result['versions'].get(r['engine'], '')}".strip()
        print(f"| {r['dtype']} | {r['batch']} | {engine} | {r['setting']} | {r['ms']:.0f} "
              f"| {r['least_ms']:.0f} | {r['images_per_s']:.2f} | {apart} |")
    print(f"\nLogits apart: the largest difference from PyTorch's eager f32, whose logits spread by "
          f"{result['logits_spread']:.2f} (standard deviation).\nThose of eigenserve, fitted, rebuilt and classified by its commands: "
          f"{result['eigenserve_logits_apart']:.1e}.")
    print(f"ONNX Runtime in bf16: {result['onnxruntime_bf16']}")
    for r in result["ratios"]:
        print(f"{r['dtype']}, batch {r['batch']}: eigenserve takes {r['of_medians']:.2f} of the time of the fastest peer, "
              f"{r['peer']}; {r['of_least']:.2f} of the least time of any")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for the model and its exports")
    parser.add_argument("--rounds", type=int, default=3, help="turns that each peer takes")
    parser.add_argument("--runs", type=int, default=3, help="measured passes in a turn")
    parser.add_argument("--json", type=pathlib.Path, help="file to write the results to as well")
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    multiprocessing.set_start_method("spawn")
    os.environ["OMP_NUM_THREADS"] = str(THREADS)

    in_process(prepare, work)
    our_logits = ours_logits(work)
    seconds, logits = take_turns(work, arguments.rounds, arguments.runs)
    result = report(seconds, logits, our_logits, onnxruntime_bf16())
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    show(result)
    apart = [(r["dtype"], r["logits_apart"]) for r in result["forward"] if r["engine"] != OURS]
    # eigenserve classify computes in bf16 where the machine has it.
    apart.append(("bf16", result["eigenserve_logits_apart"]))
    # Written so that NaN counts as wrong.
    wrong = [a for dtype, a in apart if not a <= TOLERANCE[dtype] * result["logits_spread"]]
    if wrong:
        sys.exit(f"peers: {len(wrong)} settings disagree with PyTorch's f32 logits")


if __name__ == "__main__":
    main()
