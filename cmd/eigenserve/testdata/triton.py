"""Drives a demo server with the public Triton client, over HTTP and gRPC.

usage: triton.py HTTP-ADDRESS GRPC-ADDRESS MODEL IMAGE VARIANT-FILE
"""

import json
import queue
import sys
import urllib.request

import numpy as np
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from tritonclient.utils import InferenceServerException

http_address, grpc_address, model, image_file, variant_file = sys.argv[1:]
image = open(image_file, "rb").read()
variant = open(variant_file, "rb").read()


def refused(call, *words):
    try:
        call()
    except InferenceServerException as error:
        assert all(w in str(error) for w in words), error
        return
    raise AssertionError(f"not refused: {words}")


def logits(api, client, name, inputs, version="", **options):
    """logits of one request; outputs unlisted, binary or not, or as classes"""
    tensor = api.InferInput(*inputs[:3])
    tensor.set_data_from_numpy(inputs[3], **options.pop("sent", {}))
    answer = client.infer(name, [tensor], model_version=version, request_id="r 1", **options)
    return answer.as_numpy("logits"), answer


def drive(api, client):
    grpc = api is over_grpc
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(model)
    assert client.is_model_ready(model, "1")
    server, metadata = client.get_server_metadata(), client.get_model_metadata(model)
    if grpc:
        server = {"name": server.name, "extensions": list(server.extensions)}
        metadata = {"versions": list(metadata.versions), "inputs": [{"name": t.name, "shape": list(t.shape)} for t in metadata.inputs],
                    "outputs": [{"name": t.name, "shape": list(t.shape)} for t in metadata.outputs]}
    assert server["name"] == "eigenserve" and "binary_tensor_data" in server["extensions"], server
    assert metadata["versions"] == ["1"], metadata
    shape = [3] + metadata["inputs"][0]["shape"][1:]
    labels = metadata["outputs"][0]["shape"][1]

    pixels = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    three, answer = logits(api, client, model, ("pixel_values", shape, "FP32", pixels))
    assert three.shape == (3, labels) and three.dtype == np.float32, three.shape
    response = answer.get_response()
    assert (response.id if grpc else response["id"]) == "r 1"
    for row in range(3):  # a batch answers as its rows do
        alone, _ = logits(api, client, model, ("pixel_values", [1] + shape[1:], "FP32", pixels[row:row + 1]), version="1")
        assert np.abs(alone[0] - three[row]).max() < 1e-2, (alone[0], three[row])

    encoded = ("image", [2], "BYTES", np.array([image, image], dtype=np.object_))
    two, _ = logits(api, client, model, encoded)
    assert two.shape == (2, labels) and np.abs(two[0] - two[1]).max() < 1e-4
    best, _ = logits(api, client, model, encoded, outputs=[api.InferRequestedOutput("logits", class_count=2)])
    assert best.shape == (2, 2), best
    score, index, label = best[0][0].decode().split(":", 2)
    assert int(index) == int(two[0].argmax()) and abs(float(score) - two[0].max()) < 1e-2 and label, best

    for coding in ("gzip", "deflate"):
        if grpc:
            options = [{"compression_algorithm": coding}]
        else:
            options = [{"request_compression_algorithm": coding}, {"response_compression_algorithm": coding},
                       {"request_compression_algorithm": coding, "response_compression_algorithm": coding}]
        for compressed in options:
            for inputs, plain in ((encoded, two), (("pixel_values", shape, "FP32", pixels), three)):
                same, _ = logits(api, client, model, inputs, **compressed)
                assert np.abs(same - plain).max() < 1e-2, compressed
    check_config(client.get_model_config(model), grpc, shape, labels)
    check_config(client.get_model_config(model, "1"), grpc, shape, labels)
    unsupported(api, client, encoded)

    if not grpc:
        for sent in ({"binary_data": False}, {"binary_data": True}):
            for back in (True, False):
                output = [api.InferRequestedOutput("logits", binary_data=back)]
                same, _ = logits(api, client, model, ("pixel_values", shape, "FP32", pixels), sent=sent, outputs=output)
                assert np.abs(same - three).max() < 1e-2, (sent, back)

    wrong = np.zeros([1, 1, 2, 3], np.float32)
    refused(lambda: logits(api, client, "nobody", encoded), "nobody")
    refused(lambda: logits(api, client, model, encoded, version="9"), "version 9")
    refused(lambda: logits(api, client, model, ("pixel_values", [1, 1, 2, 3], "FP32", wrong)), "[1 2 3]")
    refused(lambda: logits(api, client, model, ("pixels", [1, 1, 2, 3], "FP32", wrong)), "pixels")
    refused(lambda: logits(api, client, model, ("pixel_values", shape, "FP32", pixels * np.nan)), "finite")
    refused(lambda: client.get_model_metadata("nobody"), "nobody")

    stats = client.get_inference_statistics(model)
    stats = stats.model_stats[0] if grpc else stats["model_stats"][0]
    count, ran = (stats.inference_count, stats.execution_count) if grpc else (stats["inference_count"], stats["execution_count"])
    assert count > ran > 4, stats
    index = client.get_model_repository_index()
    names = [m.name for m in index.models] if grpc else [m["name"] for m in index]
    assert model in names and len(names) >= 200

    client.unload_model(model)
    assert not client.is_model_ready(model) and client.is_server_ready()
    refused(lambda: logits(api, client, model, encoded), "unloaded")
    client.load_model(model)
    assert client.is_model_ready(model)
    added = "added-" + ("grpc" if grpc else "http")
    client.load_model(added, config=json.dumps({"backend": "eigenserve"}), files={"file:1/model.safetensors": variant})
    same, _ = logits(api, client, added, encoded)
    assert np.abs(same - two).max() < 1e-2
    refused(lambda: client.load_model("broken", config="{}", files={"file:1/model.safetensors": b"x"}))
    return three, two


def check_config(config, grpc, shape, labels):
    """the model's configuration says what its metadata says"""
    if grpc:
        kinds, config = ("TYPE_INVALID", 11, 13), config.config
        fields = lambda t: (t.name, t.data_type, list(t.dims))
        inputs, outputs, name, most = config.input, config.output, config.name, config.max_batch_size
    else:
        kinds = ("TYPE_INVALID", "TYPE_FP32", "TYPE_STRING")
        fields = lambda t: (t["name"], t["data_type"], t["dims"])
        inputs, outputs, name, most = config["input"], config["output"], config["name"], config["max_batch_size"]
    assert name == model and most >= shape[0], config
    assert [fields(t) for t in inputs] == [("pixel_values", kinds[1], shape[1:]), ("image", kinds[2], [])], config
    assert [fields(t) for t in outputs] == [("logits", kinds[1], [labels])], config


def unsupported(api, client, encoded):
    """Triton's examples begin with these calls; what is not there says so"""
    client.unregister_system_shared_memory()
    client.unregister_cuda_shared_memory()
    assert not client.get_system_shared_memory_status() or api is over_grpc
    assert not client.get_cuda_shared_memory_status() or api is over_grpc
    refused(lambda: client.register_system_shared_memory("region", "/key", 64), "shared memory is not supported")
    tensor = api.InferInput(*encoded[:3])
    tensor.set_shared_memory("region", 64)
    refused(lambda: client.infer(model, [tensor]), "shared memory")
    if api is over_grpc:
        answers = queue.Queue()
        client.start_stream(callback=lambda result, error: answers.put((result, error)))
        result, error = answers.get(timeout=20)
        client.stop_stream()
        assert result is None and "call ModelInfer" in str(error), error


def main():
    http, grpc = over_http.InferenceServerClient(http_address), over_grpc.InferenceServerClient(grpc_address)
    for one, other in zip(drive(over_http, http), drive(over_grpc, grpc)):
        assert np.abs(one - other).max() < 1e-2

    # The route of our own gives what the protocol's logits say.
    request = urllib.request.Request(f"http://{http_address}/v1/models/{model}/classify?top_k=1", data=image)
    label = json.load(urllib.request.urlopen(request))[0]["label"]
    tensor = over_http.InferInput("image", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([image], dtype=np.object_))
    best = http.infer(model, [tensor], outputs=[over_http.InferRequestedOutput("logits", class_count=1)]).as_numpy("logits")
    assert best[0][0].decode().split(":", 2)[2] == label, (best, label)
    print("ok")


main()
