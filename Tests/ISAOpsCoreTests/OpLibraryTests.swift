import Foundation
import OnnxRuntime
import TestSupport
import Testing

/// The library that `swift build --product isa_ops` makes, in sessions of ours.
private enum OpLibrary {
  static let path: String = {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().path
    return root + "/.build/release/libisa_ops.so"
  }()

  static func session(_ model: TinyModel, threads: Int = 2) throws -> Session {
    try Session(
      try Library.load(), model: .bytes(model.bytes), options: .init(threads: threads, opLibraries: [path]))
  }
}

private func noise(_ shape: [Int], seed: UInt64) throws -> Tensor {
  var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
  let values = (0..<shape.reduce(1, *)).map { _ -> Float in
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Float(Int32(truncatingIfNeeded: state >> 32)) / Float(Int32.max) * 2
  }
  return try Tensor(values, shape: shape)
}

private func difference(_ a: Tensor?, _ b: Tensor?) -> Float {
  guard let a, let b, a.shape == b.shape else { return .infinity }
  return zip(a.floats, b.floats).reduce(0) { max($0, abs($1.0 - $1.1)) }
}

private let exactRow: [Float] = [1, 1, 1, 0, 0, 0, 0.125, 0, 0, 0]
private let sparseRow: [Float] = [0, 1, 1, 0, 0, 0, 0.25, 0, 0, 0]

@Suite struct OpLibraryTests {
  /// [B, S, H·D] through ONNX Runtime's own operators in one branch, and through ours in the other.
  @Test func agreesWithOnnxRuntimesOwnOperators() throws {
    let heads = 3
    let size = 32
    var m = TinyModel()
    for name in ["q", "k", "v"] { m.input(name, 1, ["B", "S", .fixed(heads * size)]) }
    m.initializer("split", int64s: [0, 0, Int64(heads), Int64(size)], shape: [4])
    m.initializer("join", int64s: [0, 0, -1], shape: [3])
    m.initializer("scale", floats: [0.2], shape: [])
    for (name, order) in [("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])] {
      m.node("Reshape", [name, "split"], [name + "4"])
      m.node("Transpose", [name + "4"], [name + "t"], ["perm": .ints(order)])
    }
    m.node("MatMul", ["qt", "kt"], ["scores"])
    m.node("Mul", ["scores", "scale"], ["scaled"])
    m.node("Softmax", ["scaled"], ["weights"], ["axis": .int(-1)])
    m.node("MatMul", ["weights", "vt"], ["mixed"])
    m.node("Transpose", ["mixed"], ["back"], ["perm": .ints([0, 2, 1, 3])])
    m.node("Reshape", ["back", "join"], ["theirs"])
    m.node(
      "InContextSparseAttention", domain: "isa", ["q", "k", "v"], ["ours"],
      [
        "num_heads": .int(heads), "layout": .string("BSE"), "scale": .float(0.2), "site": .string("blocks.0"),
        "policies": .tensor(exactRow + exactRow + exactRow, shape: [1, heads, 10]),
      ])
    m.output("theirs", 1)
    m.output("ours", 1)
    let session = try OpLibrary.session(m)
    #expect(session.outputs.last?.dimensions == [.symbol("B"), .symbol("S"), .fixed(heads * size)])
    for tokens in [1, 63, 200] {
      var inputs: [String: Tensor] = [:]
      for (i, name) in ["q", "k", "v"].enumerated() {
        inputs[name] = try noise([2, tokens, heads * size], seed: UInt64(i + 1))
      }
      let out = try session.run(inputs)
      #expect(difference(out["ours"], out["theirs"]) < 1e-5)
    }
  }

  private func pointModel() -> TinyModel {
    var m = TinyModel()
    for name in ["q", "k", "v"] { m.input(name, 1, ["B", 2, "S", 16]) }
    m.input("isa.point", 7, [])
    m.initializer("isa.point", int64s: [1], shape: [])
    m.node(
      "InContextSparseAttention", domain: "isa", ["q", "k", "v", "", "", "", "", "isa.point"],
      ["y", "isa.statistics/a.b"],
      [
        "num_heads": .int(2), "site": .string("a.b"),
        "policies": .tensor(exactRow + exactRow + sparseRow + exactRow, shape: [2, 2, 10]),
      ])
    m.output("y", 1)
    m.output("isa.statistics/a.b", 1)
    return m
  }

  @Test func takesItsPointFromAnInputWithADefault() throws {
    let session = try OpLibrary.session(pointModel())
    #expect(session.overridableInitializers.map(\.name) == ["isa.point"])
    let x = try noise([1, 2, 512, 16], seed: 3)
    let inputs = ["q": x, "k": x, "v": x]
    func density(_ point: Int64?) throws -> [Float] {
      var given = inputs
      if let point { given["isa.point"] = Tensor(scalar: point) }
      let floats = try session.run(given)["isa.statistics/a.b"]?.floats ?? []
      return stride(from: 0, to: floats.count, by: 4).map { floats[$0] }
    }
    #expect(try density(nil) == [0.25, 1])
    #expect(try density(0) == [1, 1])
    #expect(try density(1) == [0.25, 1])
    for point: Int64 in [-1, 2] {
      #expect {
        _ = try density(point)
      } throws: { error in
        guard case .runFailed(let reason)? = error as? RuntimeError else { return false }
        return reason.contains("isa: site 'a.b': point is \(point)")
      }
    }
  }

  @Test func givesTheSameBitsForAnyNumberOfThreads() throws {
    let x = try noise([1, 2, 700, 16], seed: 5)
    let inputs = ["q": x, "k": x, "v": x]
    let one = try OpLibrary.session(pointModel(), threads: 1).run(inputs)
    #expect(try OpLibrary.session(pointModel(), threads: 3).run(inputs) == one)
  }

  @Test(arguments: [(ElementType.float16, 1e-2 as Float), (.bfloat16, 5e-2)])
  func takesHalfTypes(_ type: ElementType, _ tolerance: Float) throws {
    var m = TinyModel()
    let number = Int(type.rawValue)
    let attributes: [String: TinyModel.Attribute] = [
      "num_heads": .int(2), "site": .string("a.b"), "policies": .tensor(exactRow + exactRow, shape: [1, 2, 10]),
    ]
    for name in ["q", "k", "v"] {
      m.input(name, number, [1, 2, "S", 16])
      m.node("Cast", [name], [name + "32"], ["to": .int(1)])
    }
    m.node("InContextSparseAttention", domain: "isa", ["q", "k", "v"], ["half"], attributes)
    m.node("InContextSparseAttention", domain: "isa", ["q32", "k32", "v32"], ["single"], attributes)
    m.output("half", number)
    m.output("single", 1)
    let x = try noise([1, 2, 100, 16], seed: 9)
    let half = try Tensor(floats: x.floats, shape: x.shape, as: type)
    let out = try OpLibrary.session(m).run(["q": half, "k": half, "v": half])
    #expect(out["half"]?.elementType == type)
    let difference = zip(out["half"]?.floats ?? [], out["single"]?.floats ?? []).reduce(0) {
      max($0, abs($1.0 - $1.1))
    }
    #expect(out["half"]?.shape == out["single"]?.shape && difference < tolerance)
  }

  @Test func namesTheSiteOfABadNode() throws {
    var m = TinyModel()
    for name in ["q", "k", "v"] { m.input(name, 1, [1, 2, 8, 16]) }
    m.node(
      "InContextSparseAttention", domain: "isa", ["q", "k", "v"], ["y"],
      ["num_heads": .int(2), "site": .string("a.b"), "policies": .tensor(exactRow, shape: [1, 1, 10])])
    m.output("y", 1)
    #expect {
      _ = try OpLibrary.session(m)
    } throws: { error in
      guard case .modelRefused(_, let reason)? = error as? RuntimeError else { return false }
      return reason.contains("isa: site 'a.b': policies has the shape [1, 1, 10]")
    }
  }

  @Test func probesAGrid() throws {
    var m = TinyModel()
    for name in ["q", "k", "v"] { m.input(name, 1, [1, 2, "S", 16]) }
    let attributes: [String: TinyModel.Attribute] = ["num_heads": .int(2), "site": .string("a.b")]
    m.node(
      "AttentionProbe", domain: "isa", ["q", "k", "v"], ["exact", "errors"],
      attributes.merging([
        "policies": .tensor(exactRow + exactRow + sparseRow + sparseRow, shape: [2, 2, 10])
      ]) { $1 })
    m.node(
      "InContextSparseAttention", domain: "isa", ["q", "k", "v"], ["sparse"],
      attributes.merging(["policies": .tensor(sparseRow + sparseRow, shape: [1, 2, 10])]) { $1 })
    for name in ["exact", "errors", "sparse"] { m.output(name, 1) }
    let x = try noise([1, 2, 512, 16], seed: 7)
    let out = try OpLibrary.session(m).run(["q": x, "k": x, "v": x])
    let errors = out["errors"]?.floats ?? []
    #expect(out["errors"]?.shape == [1, 2, 2, 3])
    guard errors.count == 12, let exact = out["exact"]?.floats, let sparse = out["sparse"]?.floats else {
      Issue.record("the probe has another shape")
      return
    }
    for head in 0..<2 {
      let part = head * 512 * 16..<(head + 1) * 512 * 16
      let error = zip(exact[part], sparse[part]).reduce(0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
      let norm = exact[part].reduce(0) { $0 + Double($1) * Double($1) }
      let e = errors[head * 6..<head * 6 + 6].map { Double($0) }
      #expect(e[0] == 0 && e[2] == 1)
      #expect(abs(e[3] - error) < 1e-3 * error)
      #expect(abs(e[4] - norm) < 1e-4 * norm)
      #expect(e[5] == 0.25)
    }
  }
}
