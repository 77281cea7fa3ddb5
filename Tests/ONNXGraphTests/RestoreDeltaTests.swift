import ONNXGraph
import TestSupport
import Testing

@Suite struct RestoreDeltaTests {
  private func patched(_ base: [UInt8], _ original: [UInt8]) throws -> [UInt8] {
    try original.withUnsafeBytes { bytes in
      Result { () throws(ModelError) -> [UInt8] in try RestoreDelta.patched(base: base, original: bytes, path: "m.onnx")
      }
    }.get()
  }

  private func error(_ bytes: [UInt8]) -> ModelError? {
    do throws(ModelError) {
      _ = try RestoreDelta.restored(from: bytes)
      return nil
    } catch {
      return error
    }
  }

  @Test(arguments: Fixtures.names)
  func editedModelsLeadBack(name: String) throws {
    let original = try Fixtures.bytes(name)
    let model = try Fixtures.model(name)
    var delta = ModelDelta()
    delta[.main].removedNodes = [0]
    for output in model.graph.nodes[0].outputs where !output.isEmpty {
      delta[.main].insert(NewNode("Stand-in", domain: "isa", name: output, inputs: [], outputs: [output]), before: 0)
    }
    delta.metadata = [("isa.version", "test")]
    let base = try delta.applied(to: model)
    let file = try patched(base, original)
    #expect(Array(file.prefix(base.count)) == base)
    #expect(try RestoreDelta.restored(from: file) == original)
    let read = try Model.load(bytes: file, path: model.path)
    #expect(read.metadata["isa.restore"] != nil && read.metadata["isa.version"] == "test")
  }

  /// A writer with another order of fields gives other bytes; they lead back all the same.
  @Test func originalsInAnotherOrder() throws {
    let graph = Proto.graph(
      [Proto.relu], initializers: [Proto.tensor("w", dims: [256], raw: (0..<1024).map { UInt8($0 & 255) })])
    let original = Proto().message(7, graph).message(8, Proto().text(1, "").int(2, 17)).int(1, 8).text(2, "last first")
      .bytes
    let model = try Model.load(bytes: original, path: "/nowhere/m.onnx")
    var delta = ModelDelta()
    delta.metadata = [("a", "b")]
    let file = try patched(try delta.applied(to: model), original)
    #expect(try RestoreDelta.restored(from: file) == original)
  }

  @Test func anyBytesLeadBack() throws {
    var generator = SeededGenerator(11)
    let field = Proto().text(2, "base").bytes
    for size in [0, 1, 31, 32, 33, 1000, 70_000] {
      let original = (0..<size).map { _ in UInt8.random(in: 0...255, using: &generator) }
      #expect(try RestoreDelta.restored(from: try patched(field, original)) == original)
      #expect(try RestoreDelta.restored(from: try patched([], original)) == original)
    }
  }

  @Test func sharedRunsAreNotCarried() throws {
    var generator = SeededGenerator(5)
    let original = (0..<200_000).map { _ in UInt8.random(in: 0...255, using: &generator) }
    // Blocks in another order, with something between them, one of them left out.
    let base = original[150_000...] + [1, 2, 3] + original[..<60_000] + original[80_000..<150_000]
    let model = Proto().raw(2, Array(base)).bytes
    let file = try patched(model, original)
    #expect(try RestoreDelta.restored(from: file) == original)
    // The 20,000 that are not in the base, in base 64, and little else.
    #expect(file.count - model.count < 20_000 * 4 / 3 + 500)
  }

  /// Large enough for the first pass to use larger blocks than the second.
  @Test func largeFilesWithSmallEdits() throws {
    var generator = SeededGenerator(6)
    var original: [UInt8] = []
    while original.count < 12 << 20 {
      let word = generator.next()
      withUnsafeBytes(of: word) { original += $0 }
    }
    var base = original
    for position in stride(from: 1 << 20, to: 12 << 20, by: 1 << 20) {
      base.replaceSubrange(position..<position + 40, with: Array("replaced by something else".utf8))
    }
    let model = Proto().raw(2, base).bytes
    let file = try patched(model, original)
    #expect(try RestoreDelta.restored(from: file) == original)
    #expect(file.count - model.count < 3000)
  }

  @Test func whatIsNotThereOrChangedIsRefused() throws {
    let original = try Fixtures.bytes("operators")
    #expect(error(original) != nil)
    #expect(error([]) != nil)
    let model = try Fixtures.model("operators")
    var delta = ModelDelta()
    delta.metadata = [("a", "b")]
    let file = try patched(try delta.applied(to: model), original)
    #expect(error(file + Proto().text(2, "written after").bytes) != nil)
    #expect(error(Array(file.dropLast())) != nil)
    var generator = SeededGenerator(3)
    for _ in 0..<500 {
      var changed = file
      let position = Int.random(in: changed.indices, using: &generator)
      changed[position] ^= UInt8(1) << UInt8.random(in: 0..<8, using: &generator)
      // Either it is noticed, or what was changed is not part of the way back (the metadata that the patch added).
      do throws(ModelError) {
        #expect(try RestoreDelta.restored(from: changed) == original)
      } catch {
        #expect(error.category == .data)
      }
    }
  }

  /// FIPS 180-4's examples, and lengths around the block's edge by the definition's own padding.
  @Test func secureHash() {
    func hash(_ text: String) -> String { SHA256.hexadecimal(SHA256.digest(Array(text.utf8))) }
    #expect(hash("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    #expect(hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(
      hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")
        == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
    #expect(
      hash(
        "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
          + "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"
      )
        == "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1")
    #expect(
      hash(String(repeating: "a", count: 1_000_000))
        == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
  }

  /// The CPU's instructions and the plain code, for lengths on both sides of the blocks' edges.
  @Test func secureHashIsTheSameWithAndWithoutInstructions() {
    let bytes = (0..<300).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    for count in 0...bytes.count {
      let plain = bytes.withUnsafeBytes {
        SHA256.digest(UnsafeRawBufferPointer(rebasing: $0[..<count]), portable: true)
      }
      #expect(SHA256.digest(Array(bytes.prefix(count))) == plain)
    }
    // FIPS 180-4's own example again, without instructions.
    let plain = Array("abc".utf8).withUnsafeBytes { SHA256.digest($0, portable: true) }
    #expect(SHA256.hexadecimal(plain) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }
}
