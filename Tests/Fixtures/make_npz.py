"""Makes the .npz files of Tests/Fixtures/npz, and prints nothing.  Needs numpy and ml_dtypes.

python3 make_npz.py
"""
import io
import pathlib
import zipfile

import ml_dtypes
import numpy as np

FOLDER = pathlib.Path(__file__).parent / "npz"
TYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]


def npy(array, version):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=version)
    return buffer.getvalue()


def raw_header(header, data=b""):
    text = header.encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def archive(name, members):
    """Members at a fixed date, so that the file is the same each time."""
    with zipfile.ZipFile(FOLDER / name, "w") as z:
        for member, data in members.items():
            z.writestr(zipfile.ZipInfo(member, (1980, 1, 1, 0, 0, 0)), data)


def main():
    FOLDER.mkdir(exist_ok=True)
    arrays = {}
    for kind in TYPES:
        # Both ends of the type's range, and values that float32 holds exactly.
        info = np.finfo(kind) if kind[0] == "f" else np.iinfo(kind)
        arrays[kind] = np.array([[info.min, 0, 1], [2, 3, info.max]], dtype="<" + kind)
    arrays["b1"] = np.array([True, False, True])
    arrays["scalar"] = np.float32(2.5)
    arrays["empty"] = np.zeros((0, 4), np.float32)
    arrays["vector"] = np.arange(5, dtype=np.int64)
    np.savez(FOLDER / "stored.npz", **arrays)
    np.savez_compressed(FOLDER / "deflated.npz", **arrays)

    ramp = np.arange(6, dtype=np.float32).reshape(2, 3)
    archive("versions.npz", {f"v{v}.npy": npy(ramp, (v, 0)) for v in (1, 2, 3)})
    archive("big-endian.npz", {"a.npy": npy(ramp.astype(">f4"), (1, 0))})
    archive("fortran.npz", {"a.npy": npy(np.asfortranarray(ramp), (1, 0))})
    archive("orders.npz", {
        "cube.npy": npy(np.asfortranarray(np.arange(24).reshape(2, 3, 4)).astype(">i8"), (1, 0)),
        "empty.npy": npy(np.zeros((0, 3), ">f4", order="F"), (1, 0))})
    numbers = np.array([[-2, -0.5, 0], [0.125, 1, 3.140625]], ml_dtypes.bfloat16)
    archive("bfloat16.npz", {"a.npy": npy(numbers, (1, 0))})
    archive("structured.npz", {"a.npy": npy(np.zeros(2, [("x", "<f4"), ("y", "<i4")]), (1, 0))})
    archive("objects.npz", {"a.npy": raw_header("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", b"x" * 8)})
    archive("overflow.npz", {
        "a.npy": raw_header("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }")})
    archive("short.npz", {"a.npy": npy(ramp, (1, 0))[:-4]})
    archive("not-array.npz", {"a.txt": b"text"})
    archive("expression.npz", {
        "a.npy": raw_header("{'descr': '<f4', 'fortran_order': False, 'shape': (__import__('os').getpid(),), }")})


if __name__ == "__main__":
    main()
