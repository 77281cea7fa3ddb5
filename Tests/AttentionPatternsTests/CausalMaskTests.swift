import AttentionPatterns
import ONNXGraph
import TestSupport
import Testing

/// Masks over the scores of x [1, 2 heads, S, 4]: what hides the keys after each query is causal however it is made.
@Suite struct CausalMaskTests {
  enum Causal: String, CaseIterable {
    case triluOfOnes, triangle, triangleOfBooleans, partOfTriangle, ranges, rangesTheOtherWay, rangesFolded
    case difference, withKeyMask, pastLength, nonZero
  }

  enum Other: String, CaseIterable {
    case window, bucketsOfDistances, lengths, sameFrame
  }

  @Test(arguments: Causal.allCases) func isCausal(_ form: Causal) throws {
    var m = Self.base()
    Self.add(form, &m)
    let site = try Self.site(&m)
    #expect(site.mask == "causal")
    #expect(site.reason == .causal)
  }

  @Test(arguments: Other.allCases) func isNot(_ form: Other) throws {
    var m = Self.base()
    Self.add(form, &m)
    let site = try Self.site(&m)
    #expect(site.mask != "causal")
    #expect(site.isReplaceable, "\(site.reason?.sentence ?? "")")
  }

  // MARK: Models

  private static let tokens = 6

  private static func base() -> TinyModel {
    var m = TinyModel(opset: 17)
    m.input("x", 1, [1, 2, "S", 4])
    m.initializer("low", floats: [-.infinity], shape: [])
    m.initializer("none", floats: [0], shape: [])
    m.initializer("zero", int64s: [0], shape: [])
    m.initializer("one", int64s: [1], shape: [])
    m.initializer("axis 0", int64s: [0], shape: [1])
    m.initializer("axis 1", int64s: [1], shape: [1])
    m.node("Shape", ["x"], ["shape"])
    m.initializer("two", int64s: [2], shape: [])
    m.initializer("twos", int64s: [2], shape: [1])
    m.node("Gather", ["shape", "two"], ["S"])
    m.node("Range", ["zero", "S", "one"], ["positions"])
    m.node("Unsqueeze", ["positions", "axis 0"], ["keys"])
    m.node("Unsqueeze", ["positions", "axis 1"], ["queries"])
    m.node("Transpose", ["x"], ["xt"], ["perm": .ints([0, 1, 3, 2])])
    m.node("MatMul", ["x", "xt"], ["scores"])
    return m
  }

  /// Adds the softmax over `masked` and the second product.
  private static func site(_ m: inout TinyModel) throws -> Site {
    m.node("Softmax", ["masked"], ["weights"], ["axis": .int(-1)])
    m.node("MatMul", ["weights", "x"], ["y"])
    m.output("y", 1)
    let sites = SiteFinder(try Model.load(bytes: m.bytes, path: "mask.onnx")).sites()
    #expect(sites.count == 1)
    return try #require(sites.first)
  }

  private static func triangle<T>(_ side: Int, _ below: T, _ above: T) -> [T] {
    (0..<side * side).map { $0 % side > $0 / side ? above : below }
  }

  private static func keep(_ condition: String, _ m: inout TinyModel) {
    m.node("Where", [condition, "scores", "low"], ["masked"])
  }

  private static func add(_ form: Causal, _ m: inout TinyModel) {
    switch form {
    case .triluOfOnes:
      m.node("Slice", ["shape", "twos", "end"], ["sides"])
      m.initializer("end", int64s: [3], shape: [1])
      m.node("Concat", ["sides", "sides"], ["square"], ["axis": .int(0)])
      m.node("ConstantOfShape", ["square"], ["zeros"])
      m.node("Add", ["zeros", "low"], ["lows"])
      m.node("Trilu", ["lows", "one"], ["hidden"], ["upper": .int(1)])
      m.node("Add", ["scores", "hidden"], ["masked"])
    case .triangle:
      m.initializer("t", floats: triangle(tokens, 0, -10000), shape: [1, 1, tokens, tokens])
      m.node("Add", ["scores", "t"], ["masked"])
    case .triangleOfBooleans:
      m.initializer("t", int64s: triangle(tokens, 1, 0), shape: [tokens, tokens])
      m.node("Cast", ["t"], ["kept"], ["to": .int(9)])
      keep("kept", &m)
    case .partOfTriangle:
      m.initializer("t", int64s: triangle(3 * tokens, 1, 0), shape: [1, 1, 3 * tokens, 3 * tokens])
      m.initializer("axis 2", int64s: [2], shape: [1])
      m.initializer("axis 3", int64s: [3], shape: [1])
      m.node("Unsqueeze", ["S", "axis 0"], ["length"])
      m.node("Slice", ["t", "axis 0", "length", "axis 2"], ["rows"])
      m.node("Slice", ["rows", "axis 0", "length", "axis 3"], ["part"])
      m.node("Cast", ["part"], ["kept"], ["to": .int(9)])
      m.node("Not", ["kept"], ["hidden"])
      m.node("Where", ["hidden", "low", "scores"], ["masked"])
    case .ranges:
      m.node("LessOrEqual", ["keys", "queries"], ["kept"])
      keep("kept", &m)
    case .rangesTheOtherWay:
      m.node("Less", ["queries", "keys"], ["hidden"])
      m.node("Where", ["hidden", "low", "none"], ["added"])
      m.node("Add", ["scores", "added"], ["masked"])
    case .rangesFolded:
      m.initializer("k", int64s: (0..<tokens).map { Int64($0) }, shape: [1, 1, 1, tokens])
      m.initializer("q", int64s: (0..<tokens).map { Int64($0) }, shape: [1, 1, tokens, 1])
      m.node("LessOrEqual", ["k", "q"], ["kept"])
      keep("kept", &m)
    case .difference:
      m.node("Sub", ["keys", "queries"], ["distance"])
      m.node("Greater", ["distance", "zero"], ["after"])
      m.node("Where", ["after", "low", "scores"], ["masked"])
    case .withKeyMask:
      m.input("mask", 7, [1, "S"])
      m.node("Cast", ["mask"], ["given"], ["to": .int(9)])
      m.node("LessOrEqual", ["keys", "queries"], ["before"])
      m.node("And", ["before", "given"], ["kept"])
      keep("kept", &m)
    case .pastLength:
      m.input("past", 7, [])
      m.node("Add", ["queries", "past"], ["shifted"])
      m.node("LessOrEqual", ["keys", "shifted"], ["kept"])
      keep("kept", &m)
    case .nonZero:
      m.node("Unsqueeze", ["S", "axis 0"], ["length"])
      m.node("ConstantOfShape", ["length"], ["ones"])
      m.node("NonZero", ["ones"], ["k"])
      m.node("Transpose", ["k"], ["q"], ["perm": .ints([1, 0])])
      m.node("LessOrEqual", ["k", "q"], ["kept"])
      keep("kept", &m)
    }
  }

  private static func add(_ form: Other, _ m: inout TinyModel) {
    switch form {
    case .window:
      m.initializer("reach", int64s: [2], shape: [])
      m.node("Sub", ["keys", "queries"], ["distance"])
      m.node("Neg", ["distance"], ["back"])
      m.node("LessOrEqual", ["distance", "reach"], ["near"])
      m.node("LessOrEqual", ["back", "reach"], ["near too"])
      m.node("And", ["near", "near too"], ["kept"])
      keep("kept", &m)
    case .bucketsOfDistances:
      m.initializer("table", floats: AttentionModel.noise(2, seed: 3), shape: [2])
      m.node("Sub", ["keys", "queries"], ["distance"])
      m.node("Greater", ["distance", "zero"], ["after"])
      m.node("Cast", ["after"], ["bucket"], ["to": .int(7)])
      m.node("Gather", ["table", "bucket"], ["bias"])
      m.node("Add", ["scores", "bias"], ["masked"])
    case .lengths:
      m.input("length", 7, [1, 1])
      m.node("Less", ["keys", "length"], ["kept"])
      keep("kept", &m)
    case .sameFrame:
      m.node("Div", ["keys", "two"], ["frames"])
      m.node("Div", ["queries", "two"], ["own"])
      m.node("Equal", ["frames", "own"], ["kept"])
      keep("kept", &m)
    }
  }
}
