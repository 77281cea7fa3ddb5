/// Small graphs with one attention, in the forms that exporters write: x and its text make q, k and v by weights, the
/// result goes through a projection.
public struct AttentionModel: Sendable, CustomStringConvertible {
  public enum Scale: String, CaseIterable, Sendable {
    case none, onBoth, onQuery, onKey, afterByMul, afterByDiv, shapeOfQuery
  }

  /// How k comes to lie for the product.
  public enum Keys: String, CaseIterable, Sendable {
    /// One transposition from [B, S, H, D].
    case once
    /// One to [B, H, S, D], then one more.
    case twice
    /// In three dimensions, between two reshapes.
    case threeDimensional
  }

  public enum Mask: String, CaseIterable, Sendable {
    case none, zeros, additive, keysByWhere, keysAdded, keysWithNaNGuard, causal
  }

  public var scale = Scale.onBoth
  public var keys = Keys.once
  public var mask = Mask.none
  public var isCross = false
  public var isDynamic = false
  public var opset = 17
  public var heads = 2
  public var headSize = 8
  public var tokens = 12
  /// Of the other sequence, where there is one.
  public var textTokens = 5

  public init() {}

  public func with<T>(_ path: WritableKeyPath<AttentionModel, T>, _ value: T) -> AttentionModel {
    var copy = self
    copy[keyPath: path] = value
    return copy
  }

  public var description: String {
    "\(scale) \(keys) \(mask)\(isCross ? " cross" : "")\(isDynamic ? " dynamic" : "") opset \(opset)"
  }

  public var width: Int { heads * headSize }
  public var keyTokens: Int { isCross ? textTokens : tokens }

  public var model: TinyModel {
    var m = TinyModel(opset: opset)
    let sequence: TinyModel.Dimension = isDynamic ? "S" : .fixed(tokens)
    m.input("x", 1, [isDynamic ? "B" : 1, sequence, .fixed(width)])
    if isCross { m.input("text", 1, [isDynamic ? "B" : 1, isDynamic ? "L" : .fixed(textTokens), .fixed(width)]) }
    m.initializer("split", int64s: [0, 0, Int64(heads), Int64(headSize)], shape: [4])
    m.initializer("join", int64s: [0, 0, Int64(width)], shape: [3])
    for (i, name) in ["q", "k", "v"].enumerated() {
      m.initializer("w" + name, floats: Self.noise(width * width, seed: i + 1), shape: [width, width])
      m.node("MatMul", name: "/attn/to_\(name)", [isCross && name != "q" ? "text" : "x", "w" + name], [name])
      m.node("Reshape", [name, "split"], [name + "4"])
    }
    for name in ["q4", "v4"] { m.node("Transpose", [name], [name + "t"], ["perm": .ints([0, 2, 1, 3])]) }
    addKeys(&m)
    addScores(&m)
    m.node("MatMul", name: "/attn/MatMul_1", ["weights", "v4t"], ["mixed"])
    m.node("Transpose", ["mixed"], ["back"], ["perm": .ints([0, 2, 1, 3])])
    m.node("Reshape", ["back", "join"], ["joined"])
    m.initializer("wo", floats: Self.noise(width * width, seed: 9), shape: [width, width])
    m.node("MatMul", ["joined", "wo"], ["y"])
    m.output("y", 1)
    return m
  }

  private func addKeys(_ m: inout TinyModel) {
    switch keys {
    case .once: m.node("Transpose", ["k4"], ["kt"], ["perm": .ints([0, 2, 3, 1])])
    case .twice:
      m.node("Transpose", ["k4"], ["k4t"], ["perm": .ints([0, 2, 1, 3])])
      m.node("Transpose", ["k4t"], ["kt"], ["perm": .ints([0, 1, 3, 2])])
    case .threeDimensional:
      m.node("Transpose", ["k4"], ["k4t"], ["perm": .ints([0, 2, 1, 3])])
      m.node("Shape", ["k4t"], ["shape"])
      m.initializer("minus one", int64s: [-1], shape: [1])
      for (name, index) in [("batch", 0), ("heads", 1), ("length", 2), ("size", 3)] {
        m.initializer(name + " axis", int64s: [Int64(index)], shape: [1])
        m.node("Gather", ["shape", name + " axis"], [name])
      }
      m.node("Concat", ["minus one", "length", "size"], ["flat"], ["axis": .int(0)])
      m.node("Reshape", ["k4t", "flat"], ["k3"])
      m.node("Transpose", ["k3"], ["k3t"], ["perm": .ints([0, 2, 1])])
      m.node("Concat", ["batch", "heads", "size", "length"], ["full"], ["axis": .int(0)])
      m.node("Reshape", ["k3t", "full"], ["kt"])
    }
  }

  private func addScores(_ m: inout TinyModel) {
    var query = "q4t"
    var key = "kt"
    let root = Float(headSize).squareRoot()
    switch scale {
    case .none: break
    case .onBoth:
      m.initializer("factor", floats: [1 / root.squareRoot()], shape: [1])
      m.node("Mul", [query, "factor"], ["qs"])
      m.node("Mul", [key, "factor"], ["ks"])
      (query, key) = ("qs", "ks")
    case .onQuery:
      m.initializer("factor", floats: [1 / root], shape: [])
      m.node("Mul", ["factor", query], ["qs"])
      query = "qs"
    case .onKey:
      m.initializer("factor", floats: [root], shape: [1])
      m.node("Div", [key, "factor"], ["ks"])
      key = "ks"
    case .shapeOfQuery:
      // Sqrt(1 / Sqrt(Cast(Shape(q)[-1:]))), once for each side.
      m.initializer("one", floats: [1], shape: [])
      m.initializer("last", int64s: [-1], shape: [1])
      m.initializer("end", int64s: [Int64.max], shape: [1])
      for (side, value) in [("q", query), ("k", key)] {
        m.node("Shape", ["q4t"], [side + " shape"])
        m.node("Slice", [side + " shape", "last", "end"], [side + " size"])
        m.node("Cast", [side + " size"], [side + " float"], ["to": .int(1)])
        m.node("Sqrt", [side + " float"], [side + " root"])
        m.node("Div", ["one", side + " root"], [side + " inverse"])
        m.node("Sqrt", [side + " inverse"], [side + " factor"])
        m.node("Mul", [value, side + " factor"], [side + "s"])
      }
      (query, key) = ("qs", "ks")
    case .afterByMul, .afterByDiv: break
    }
    m.node("MatMul", name: "/attn/MatMul", [query, key], ["scores"])
    var scores = "scores"
    if scale == .afterByMul || scale == .afterByDiv {
      m.initializer("factor", floats: [scale == .afterByMul ? 1 / root : root], shape: [])
      m.node(scale == .afterByMul ? "Mul" : "Div", [scores, "factor"], ["scaled"])
      scores = "scaled"
    }
    addMask(&m, &scores)
    m.node("Softmax", name: "/attn/Softmax", [scores], ["probabilities"], ["axis": .int(opset < 13 ? 3 : -1)])
    if mask == .keysWithNaNGuard {
      m.initializer("zero", floats: [0], shape: [])
      m.node("IsNaN", ["probabilities"], ["nan"])
      m.node("Where", ["nan", "zero", "probabilities"], ["weights"])
    } else {
      m.node("Identity", ["probabilities"], ["weights"])
    }
  }

  private func addMask(_ m: inout TinyModel, _ scores: inout String) {
    let queries: TinyModel.Dimension = isDynamic ? "S" : .fixed(tokens)
    let keys: TinyModel.Dimension = isDynamic ? (isCross ? "L" : "S") : .fixed(keyTokens)
    switch mask {
    case .none: break
    case .zeros:
      m.initializer(
        "bias", floats: Array(repeating: 0, count: tokens * keyTokens), shape: [1, 1, tokens, keyTokens])
      m.node("Add", [scores, "bias"], ["masked"])
      scores = "masked"
    case .additive:
      m.input("bias", 1, [1, 1, queries, keys])
      m.node("Add", ["bias", scores], ["masked"])
      scores = "masked"
    case .keysByWhere:
      m.input("keep", 9, [1, 1, 1, keys])
      m.initializer("low", floats: [-.infinity], shape: [])
      m.node("Where", ["keep", scores, "low"], ["masked"])
      scores = "masked"
    case .keysAdded, .keysWithNaNGuard:
      m.input("keep", 9, [1, 1, 1, keys])
      m.initializer("low", floats: [-.greatestFiniteMagnitude], shape: [])
      m.initializer("nothing", floats: [0], shape: [])
      m.node("Where", ["keep", "nothing", "low"], ["added"])
      m.node("Add", [scores, "added"], ["masked"])
      scores = "masked"
    case .causal:
      var values: [Float] = []
      for row in 0..<tokens { for column in 0..<keyTokens { values.append(column <= row ? 0 : -.infinity) } }
      m.initializer("triangle", floats: values, shape: [1, 1, tokens, keyTokens])
      m.node("Add", [scores, "triangle"], ["masked"])
      scores = "masked"
    }
  }

  /// Uniform in ±0.5, the same on every run.
  public static func noise(_ count: Int, seed: Int) -> [Float] {
    var state = UInt64(truncatingIfNeeded: seed) &* 0x9e37_79b9_7f4a_7c15 | 1
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(Int32(truncatingIfNeeded: state >> 32)) / Float(Int32.max) / 2
    }
  }
}
