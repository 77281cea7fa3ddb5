import Foundation
import OnnxRuntime
import Testing
import VideoPipeline

/// Against files that numpy wrote (Tests/Fixtures/make_npz.py).
@Suite struct NpzTests {
  @Test(arguments: ["stored", "deflated"])
  func numpyFilesRead(name: String) throws {
    let arrays = try Npz.read(Fixture.path("npz/\(name).npz"))
    #expect(arrays.count == 15)
    let limits: [(String, ElementType, Double, Double)] = [
      ("f2", .float16, -65504, 65504), ("f8", .float64, -Double.greatestFiniteMagnitude, .greatestFiniteMagnitude),
      ("f4", .float32, -Double(Float.greatestFiniteMagnitude), Double(Float.greatestFiniteMagnitude)),
      ("i1", .int8, -128, 127), ("i2", .int16, -32768, 32767), ("i4", .int32, -2_147_483_648, 2_147_483_647),
      ("u1", .uint8, 0, 255), ("u2", .uint16, 0, 65535), ("u4", .uint32, 0, 4_294_967_295),
    ]
    for (key, type, least, greatest) in limits {
      let array = try #require(arrays[key])
      #expect(array.elementType == type)
      #expect(array.shape == [2, 3])
      #expect(array.doubles == [least, 0, 1, 2, 3, greatest])
    }
    #expect(arrays["i8"]?.integers == [.min, 0, 1, 2, 3, .max])
    #expect(arrays["u8"]?.elementType == .uint64)
    #expect(arrays["u8"]?.integers == nil)
    #expect(arrays["b1"]?.elementType == .bool)
    #expect(arrays["b1"]?.integers == [1, 0, 1])
    #expect(arrays["scalar"]?.shape == [])
    #expect(arrays["scalar"]?.floats == [2.5])
    #expect(arrays["empty"]?.shape == [0, 4])
    #expect(arrays["vector"]?.integers == [0, 1, 2, 3, 4])
  }

  @Test func headerVersionsOneToThreeRead() throws {
    let arrays = try Npz.read(Fixture.path("npz/versions.npz"))
    for version in ["v1", "v2", "v3"] {
      #expect(try arrays[version] == Tensor([0, 1, 2, 3, 4, 5] as [Float], shape: [2, 3]))
    }
  }

  @Test(arguments: [
    ("structured", "structured"), ("objects", "'|O'"),
    ("overflow", "shape [4294967296, 4294967296]"), ("short", "shape [2, 3]"), ("not-array", "no array"),
    ("expression", "header is not understood"),
  ])
  func whatIsNotPlainNumbersIsRefused(name: String, word: String) {
    let error = #expect(throws: NpzError.self) { try Npz.read(Fixture.path("npz/\(name).npz")) }
    #expect(error?.message.contains(word) == true, "\(error?.message ?? "")")
    #expect(error?.exitCode == 65)
  }

  /// Numbers are the same in either order of bytes and of dimensions, also in three dimensions.
  @Test(arguments: ["big-endian", "fortran"]) func otherOrdersRead(name: String) throws {
    let arrays = try Npz.read(Fixture.path("npz/\(name).npz"))
    #expect(try arrays["a"] == Tensor([0, 1, 2, 3, 4, 5] as [Float], shape: [2, 3]))
    let both = try Npz.read(Fixture.path("npz/orders.npz"))
    #expect(try both["cube"] == Tensor((0..<24).map { Int64($0) }, shape: [2, 3, 4]))
    #expect(try both["empty"] == Tensor([Float](), shape: [0, 3]))
  }

  @Test func aMissingFileIsNoInput() {
    let error = #expect(throws: NpzError.self) { try Npz.read("/nonexistent/x.npz") }
    #expect(error?.problem == .cannotOpen)
    #expect(error?.exitCode == 66)
  }

  @Test func aFolderOrDeviceIsNoInput() {
    #expect(throws: NpzError.self) { try Npz.read("/tmp") }
    #expect(throws: NpzError.self) { try Npz.read("/dev/zero") }
  }

  @Test(arguments: ["versions", "deflated"])
  func aFileCutOffAnywhereIsRefused(name: String) throws {
    let bytes = try Fixture.bytes("npz/\(name).npz")
    for length in 0..<bytes.count {
      #expect(throws: NpzError.self) { try Npz.read(Array(bytes[0..<length]), file: "cut") }
    }
  }

  /// A changed byte is refused or changes nothing: checksums cover the data, and what they do not cover is checked.
  @Test(arguments: ["versions", "deflated"])
  func aChangedByteNeverChangesAValue(name: String) throws {
    let bytes = try Fixture.bytes("npz/\(name).npz")
    let expected = try Npz.read(bytes, file: "whole")
    let values = Set(expected.values.map { $0.bytes })
    var refused = 0
    for position in bytes.indices {
      for change: UInt8 in [0x01, 0x80, 0xFF] {
        var changed = bytes
        changed[position] ^= change
        do {
          let arrays = try Npz.read(changed, file: "changed")
          // Only a name can differ: names in the central directory have no checksum.
          #expect(arrays.values.allSatisfy { values.contains($0.bytes) })
        } catch { refused += 1 }
      }
    }
    #expect(refused > bytes.count)
  }

  @Test func claimsBeyondTheLimitAreRefused() throws {
    let array = try Tensor([Float](repeating: 0, count: 100_000), shape: [100_000])
    let bytes = try Npz.encode([("a", array)], compressed: true)
    #expect(bytes.count < 2000)
    let error = #expect(throws: NpzError.self) { try Npz.read(bytes, file: "bomb", limit: 100_000) }
    #expect(error?.problem == .tooLarge(limit: 100_000))
    #expect(try Npz.read(bytes, file: "fits", limit: 500_000)["a"] == array)
  }

  /// Both members point at the same data: a way to make a small file unpack to much.
  @Test func aNameGivenTwiceIsRefused() throws {
    let array = try Tensor([1, 2] as [Float], shape: [2])
    var bytes = try Npz.encode([("a", array), ("b", array)])
    for position in bytes.indices where bytes[position] == UInt8(ascii: "b") && bytes[position + 1] == UInt8(ascii: ".")
    {
      bytes[position] = UInt8(ascii: "a")
    }
    let error = #expect(throws: NpzError.self) { try Npz.read(bytes, file: "twice") }
    #expect(error?.problem == .duplicateName)
    #expect(throws: NpzError.self) { try Npz.encode([("a", array), ("a", array)]) }
  }

  @Test(arguments: [false, true])
  func whatIsWrittenReadsBack(compressed: Bool) throws {
    let stored = try Npz.read(Fixture.path("npz/stored.npz"))
    let arrays = stored.sorted { $0.key < $1.key }.map { (name: $0.key, array: $0.value) }
    let bytes = try Npz.encode(arrays, compressed: compressed)
    let back = try Npz.read(bytes, file: "back")
    #expect(back.count == arrays.count)
    for (name, array) in arrays { #expect(back[name] == array) }
  }

  /// Our bytes of an array are numpy's: the member v1 of a stored archive, found there byte for byte.
  @Test func arraysAreWrittenAsNumpyWritesThem() throws {
    let array = try Tensor([0, 1, 2, 3, 4, 5] as [Float], shape: [2, 3])
    let ours = Data(try Npz.encode([("v1", array)]))
    let numpys = Data(try Fixture.bytes("npz/versions.npz"))
    let magic = Data([0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59])
    let a = try #require(ours.range(of: magic)?.lowerBound)
    let b = try #require(numpys.range(of: magic)?.lowerBound)
    #expect(ours[a..<a + 152] == numpys[b..<b + 152])
  }

  /// The file is numpy's with ml_dtypes, and ours of the same array has its bytes.
  @Test func bfloat16IsReadAndWrittenAsMlDtypesHasIt() throws {
    let arrays = try Npz.read(Fixture.path("npz/bfloat16.npz"))
    let expected = try Tensor(floats: [-2, -0.5, 0, 0.125, 1, 3.140625], shape: [2, 3], as: .bfloat16)
    #expect(arrays["a"] == expected)
    let ours = Data(try Npz.encode([("a", expected)]))
    let numpys = Data(try Fixture.bytes("npz/bfloat16.npz"))
    let magic = Data([0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59])
    let a = try #require(ours.range(of: magic)?.lowerBound)
    let b = try #require(numpys.range(of: magic)?.lowerBound)
    #expect(ours[a..<a + 140] == numpys[b..<b + 140])
  }
}
