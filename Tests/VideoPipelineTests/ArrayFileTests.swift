import Foundation
import OnnxRuntime
import Testing
import VideoPipeline

/// Array files for a model's inputs and outputs.
@Suite struct ArrayFileTests {
  private let arrays: [(name: String, array: Tensor)]

  init() throws {
    arrays = [
      ("bfloat16", try Tensor(floats: [1, -2.5, 0], shape: [3], as: .bfloat16)),
      ("bool", try Tensor([true, false], shape: [2, 1])), ("double", try Tensor([0.1, 1e300], shape: [2])),
      ("half", try Tensor(floats: [1, 2], shape: [1, 2], as: .float16)), ("scalar", Tensor(scalar: Int64.min)),
      ("wide", try Tensor([UInt64.max], shape: [1])), ("word", try Tensor([UInt16.max, 0], shape: [2])),
    ]
  }

  @Test(arguments: ["a.npz", "a.safetensors"]) func whatIsWrittenReadsBack(name: String) throws {
    let folder = try ScratchFolder()
    let path = folder.file(name)
    try Data(try ArrayFile.encode(arrays, for: path)).write(to: URL(fileURLWithPath: path))
    let back = try ArrayFile.read(path)
    #expect(back == Dictionary(uniqueKeysWithValues: arrays.map { ($0.name, $0.array) }))
  }

  /// Another reader of the format: its header is JSON of a length that the first eight bytes give, tensors without
  /// gaps.
  @Test func safetensorsAreThoseOfTheFormat() throws {
    let bytes = try ArrayFile.encode(arrays, for: "a.safetensors")
    let length = bytes[0..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    #expect((8 + length) % 8 == 0)
    let header = try #require(
      JSONSerialization.jsonObject(with: Data(bytes[8..<8 + length])) as? [String: [String: Any]])
    #expect(header["bfloat16"]?["dtype"] as? String == "BF16")
    let offsets = try #require(header["bfloat16"]?["data_offsets"] as? [Int])
    // 1, −2.5 and 0 as the upper halves of their float32.
    #expect(Array(bytes[(8 + length + offsets[0])..<(8 + length + offsets[1])]) == [0x80, 0x3F, 0x20, 0xC0, 0, 0])
  }

  private static let inputs = [
    ValueInfo(name: "b", elementType: .bfloat16, dimensions: []),
    ValueInfo(name: "h", elementType: .float16, dimensions: []),
    ValueInfo(name: "i", elementType: .int64, dimensions: []), ValueInfo(name: "s", elementType: .int8, dimensions: []),
  ]

  @Test func arraysTakeTheTypeOfTheirInput() throws {
    let given: [String: Tensor] = [
      "b": try Tensor([0x3F80, 0xC020] as [UInt16], shape: [2]), "h": try Tensor([1.5 as Double], shape: [1]),
      "i": try Tensor([7 as Int32], shape: [1]), "s": try Tensor([300 as Int64], shape: [1]),
    ]
    var notes: [String] = []
    let fitted = ArrayFile.fitted(given, to: Self.inputs) { notes.append($0) }
    #expect(try fitted["b"] == Tensor(floats: [1, -2.5], shape: [2], as: .bfloat16))
    #expect(try fitted["h"] == Tensor(floats: [1.5], shape: [1], as: .float16))
    #expect(try fitted["i"] == Tensor([7 as Int64], shape: [1]))
    // What does not fit stays, and is refused by its type.
    #expect(fitted["s"] == given["s"])
    #expect(notes.count == 3)
    #expect(notes.first?.contains("'b'") == true && notes.first?.contains("bits") == true)
  }

  @Test func whatIsRightGoesUnsaid() throws {
    let given = ["b": try Tensor(floats: [1], shape: [1], as: .bfloat16), "other": try Tensor([1 as Int8], shape: [1])]
    var notes: [String] = []
    #expect(ArrayFile.fitted(given, to: Self.inputs) { notes.append($0) } == given)
    #expect(notes.isEmpty)
  }

  /// Nothing is computed that no file takes.
  @Test func outputsThatNoFileTakesAreRefused() {
    #expect(ArrayFile.refusal(of: Self.inputs) == nil)
    let text = ValueInfo(name: "labels", elementType: nil, dimensions: [])
    #expect(ArrayFile.refusal(of: Self.inputs + [text])?.contains("'labels'") == true)
  }

  @Test func everyFloatBecomesFloat32() throws {
    for (name, array) in try ArrayFile.asFloat32(arrays) {
      let before = arrays.first { $0.name == name }?.array
      let isWhole = ["bool", "scalar", "wide", "word"].contains(name)
      #expect(isWhole ? array == before : array.elementType == .float32 && array.floats == before?.floats)
    }
  }
}
