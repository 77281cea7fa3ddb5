import Foundation

// What libFuzzer calls.

/// Once, before anything else: `ISA_FUZZ_SEEDS` names a folder that gets the seeds.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(_ count: UnsafeMutablePointer<Int32>, _ arguments: UnsafeMutableRawPointer) -> Int32 {
  if let folder = ProcessInfo.processInfo.environment["ISA_FUZZ_SEEDS"] {
    for (number, bytes) in FuzzTarget.seeds().enumerated() {
      try? Data(bytes).write(to: URL(fileURLWithPath: "\(folder)/seed-\(number).onnx"))
    }
  }
  return 0
}

public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
  FuzzTarget.run(Array(UnsafeBufferPointer(start: start, count: count)))
  return 0
}

/// libFuzzer's own change of bytes.
@_silgen_name("LLVMFuzzerMutate")
func mutateBytes(_ start: UnsafeMutablePointer<UInt8>, _ count: Int, _ capacity: Int) -> Int

@_cdecl("LLVMFuzzerCustomMutator")
public func customMutator(
  _ start: UnsafeMutablePointer<UInt8>, _ count: Int, _ capacity: Int, _ seed: UInt32
) -> Int {
  // Some changes of the bytes themselves too, which break lengths and tags.
  guard seed % 8 != 0, count > 0 else { return mutateBytes(start, count, capacity) }
  var mutator = WireMutator(seed: seed)
  return replace(start, capacity, mutator.mutated(Array(UnsafeBufferPointer(start: start, count: count))))
    ?? mutateBytes(start, count, capacity)
}

@_cdecl("LLVMFuzzerCustomCrossOver")
public func customCrossOver(
  _ first: UnsafePointer<UInt8>, _ firstCount: Int, _ second: UnsafePointer<UInt8>, _ secondCount: Int,
  _ out: UnsafeMutablePointer<UInt8>, _ capacity: Int, _ seed: UInt32
) -> Int {
  var mutator = WireMutator(seed: seed)
  return replace(
    out, capacity,
    mutator.mutated(
      Array(UnsafeBufferPointer(start: first, count: firstCount)),
      other: Array(UnsafeBufferPointer(start: second, count: secondCount)))) ?? 0
}

/// The bytes put into the buffer; nil where there are none or they do not fit.
private func replace(_ buffer: UnsafeMutablePointer<UInt8>, _ capacity: Int, _ bytes: [UInt8]?) -> Int? {
  guard let bytes, !bytes.isEmpty, bytes.count <= capacity else { return nil }
  bytes.withUnsafeBufferPointer { source in
    if let start = source.baseAddress { buffer.update(from: start, count: bytes.count) }
  }
  return bytes.count
}
