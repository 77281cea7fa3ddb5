import ISAPatch
import ONNXGraph
import SparseAttention
import TestSupport
import Testing

/// Small files made to cost much: chains, doublings and lists that grow in the reading. Each ends in a typed error or in
/// a result, in a time that is about the file's size.
@Suite struct SmallFileTests {
  struct Bomb: Sendable, CustomTestStringConvertible {
    let name: String
    let make: @Sendable () -> [UInt8]
    var testDescription: String { name }

    init(_ name: String, _ make: @escaping @Sendable () -> [UInt8]) {
      self.name = name
      self.make = make
    }
  }

  /// An attention whose input comes out of a chain that `steps` makes from `start` to `end`.
  private static func attention(_ steps: (inout TinyModel, String, String) -> Void) -> [UInt8] {
    var m = TinyModel()
    m.input("start", 1, ["B", "S", 16])
    steps(&m, "start", "x")
    m.initializer("split", int64s: [0, 0, 2, 8], shape: [4])
    m.initializer("join", int64s: [0, 0, 16], shape: [3])
    for name in ["q", "k", "v"] {
      m.initializer("w" + name, floats: AttentionModel.noise(256, seed: 3), shape: [16, 16])
      m.node("MatMul", ["x", "w" + name], [name])
      m.node("Reshape", [name, "split"], [name + "4"])
    }
    for name in ["q4", "v4"] { m.node("Transpose", [name], [name + "t"], ["perm": .ints([0, 2, 1, 3])]) }
    m.node("Transpose", ["k4"], ["kt"], ["perm": .ints([0, 2, 3, 1])])
    m.node("MatMul", ["q4t", "kt"], ["scores"])
    m.node("Softmax", name: "/attn/Softmax", ["scores"], ["weights"], ["axis": .int(-1)])
    m.node("MatMul", ["weights", "v4t"], ["mixed"])
    m.node("Transpose", ["mixed"], ["back"], ["perm": .ints([0, 2, 1, 3])])
    m.node("Reshape", ["back", "join"], ["y"])
    m.output("y", 1)
    return m.bytes
  }

  /// `count` nodes one after the other; `add` makes one.
  private static func chain(_ count: Int, _ add: @escaping @Sendable (inout TinyModel, Int, String, String) -> Void)
    -> @Sendable () -> [UInt8]
  {
    {
      attention { m, start, end in
        for step in 0..<count {
          add(&m, step, step == 0 ? start : "c\(step)", step == count - 1 ? end : "c\(step + 1)")
        }
      }
    }
  }

  /// The input is stretched to a length [B, length, 16] that `count` steps compute, each from the one before: `add` makes
  /// `n(step + 1)` of `n(step)`.
  private static func computedLength(_ count: Int, _ add: @escaping @Sendable (inout TinyModel, Int) -> Void)
    -> @Sendable () -> [UInt8]
  {
    {
      attention { m, start, end in
        for (name, value, shape) in [
          ("index", 1, []), ("one", 1, []), ("three", 3, []), ("axis", 0, [1]), ("rest", 16, [1]), ("first", 1, [1]),
        ] as [(String, Int64, [Int])] {
          m.initializer(name, int64s: [value], shape: shape)
        }
        m.node("Shape", [start], ["shape"])
        m.node("Gather", ["shape", "index"], ["n0"])
        for step in 0..<count { add(&m, step) }
        m.node("Unsqueeze", ["n\(count)", "axis"], ["length"])
        m.node("Concat", ["first", "length", "rest"], ["target"], ["axis": .int(0)])
        m.node("Expand", [start, "target"], [end])
      }
    }
  }

  static let bombs: [Bomb] = [
    Bomb("100000 Identities", chain(100_000) { m, _, from, to in m.node("Identity", [from], [to]) }),
    Bomb("100000 Casts", chain(100_000) { m, _, from, to in m.node("Cast", [from], [to], ["to": .int(1)]) }),
    Bomb(
      "30000 Transposes there and back",
      chain(30_000) { m, _, from, to in
        m.node("Transpose", [from], [to], ["perm": .ints([1, 0, 2])])
      }),
    Bomb(
      "30000 Reshapes",
      chain(30_000) { m, step, from, to in
        if step == 0 { m.initializer("same", int64s: [0, 0, 16], shape: [3]) }
        m.node("Reshape", [from, "same"], [to])
      }),
    Bomb("30000 times a value and itself", chain(30_000) { m, _, from, to in m.node("Add", [from, from], [to]) }),
    Bomb(
      "60 joins with itself",
      chain(60) { m, _, from, to in
        m.node("Concat", [from, from], [to], ["axis": .int(1)])
      }),
    Bomb(
      "5000 joins and cuts",
      chain(5000) { m, step, from, to in
        if step == 0 {
          m.initializer("zero", int64s: [0], shape: [1])
          m.initializer("five", int64s: [5], shape: [1])
          m.initializer("one", int64s: [1], shape: [1])
        }
        m.node("Concat", [from, "start"], ["j\(step)"], ["axis": .int(1)])
        m.node("Slice", ["j\(step)", "zero", "five", "one"], [to])
      }),
    Bomb(
      "60 squares of a length",
      chain(60) { m, step, from, to in
        m.node("Shape", [from], ["s\(step)"])
        m.node("Mul", ["s\(step)", "s\(step)"], ["t\(step)"])
        m.node("Reshape", [from, "t\(step)"], [to])
      }),
    Bomb(
      "200 quotients of a length by itself",
      computedLength(200) { m, step in
        m.node("Add", ["n\(step)", "three"], ["a\(step)"])
        m.node("Mul", ["a\(step)", "n\(step)"], ["m\(step)"])
        m.node("Add", ["n\(step)", "one"], ["b\(step)"])
        m.node("Div", ["m\(step)", "b\(step)"], ["n\(step + 1)"])
      }),
    Bomb(
      "5000 nested quotients",
      computedLength(5000) { m, step in
        m.node("Add", ["n\(step)", "one"], ["a\(step)"])
        m.node("Div", ["a\(step)", "three"], ["n\(step + 1)"])
      }),
    Bomb("a rank of 50000, passed on 20000 times") {
      var m = TinyModel()
      m.input("c0", 1, (0..<50_000).map { _ in 1 })
      for step in 0..<20_000 { m.node("Neg", ["c\(step)"], ["c\(step + 1)"]) }
      m.output("c20000", 1)
      return m.bytes
    },
    Bomb("a node of 200000 inputs and outputs") {
      var m = TinyModel()
      m.input("x", 1, [1, 4])
      m.node("Concat", Array(repeating: "x", count: 200_000), ["y"], ["axis": .int(1)])
      m.node("Split", ["y"], (0..<200_000).map { "z\($0)" }, ["axis": .int(1)])
      m.output("z0", 1)
      return m.bytes
    },
    Bomb("a circle of long lists in a long graph") {
      var m = TinyModel()
      m.input("x", 1, [1])
      m.node("Sum", Array(repeating: "b", count: 50_000), ["a"])
      m.node("Sum", Array(repeating: "a", count: 50_000), ["b"])
      for step in 0..<50_000 { m.node("Neg", ["b"], ["c\(step)"]) }
      m.output("b", 1)
      return m.bytes
    },
  ]

  /// Graphs inside graphs, functions, and lists that the reader walks.
  static let structures: [Bomb] = [
    Bomb("20000 functions, each called once") {
      Proto.model(
        Proto.graph(
          (0..<20_000).map { Proto.node("F\($0)", [$0 == 0 ? "x" : "c\($0)"], ["c\($0 + 1)"], domain: "local") },
          outputs: ["c20000"]),
        functions: (0..<20_000).map { Proto.function("F\($0)", [Proto.relu]) })
    },
    Bomb("20000 branches in a graph of 20000 names") {
      let branch = Proto.graph([Proto.node("Neg", ["c7"], ["t"])], inputs: [], outputs: ["t"])
      return Proto.model(
        Proto.graph(
          (0..<20_000).map { Proto.node("Neg", ["x"], ["c\($0)"]) }
            + (0..<20000).map {
              Proto.node("If", ["x"], ["y\($0)"], attributes: [.attribute("then_branch", graph: branch)])
            },
          outputs: ["y0"]))
    },
    Bomb("5000 branches in a node with a long name") {
      let inner = Proto.graph([Proto.node("Neg", ["x"], ["t"])], inputs: [], outputs: ["t"])
      let outer = Proto.graph(
        (0..<5000).map { Proto.node("If", ["x"], ["y\($0)"], attributes: [.attribute("then_branch", graph: inner)]) },
        inputs: [], outputs: ["y0"])
      let node = Proto.node(
        "If", ["x"], ["y"], name: String(repeating: "n", count: 1 << 20),
        attributes: [.attribute("then_branch", graph: outer)])
      return Proto.model(Proto.graph([node]))
    },
    Bomb("loops in loops") {
      var body = Proto.graph(
        [Proto.node("Identity", ["c"], ["d"]), Proto.node("Concat", ["v", "v"], ["w"])], inputs: ["i", "c", "v"],
        outputs: ["d", "w"])
      for level in 0..<60 {
        let node = Proto.node("Loop", ["", "c", "v"], ["w"], attributes: [.attribute("body", graph: body)])
        body = Proto.graph(
          [Proto.node("Identity", ["c"], ["d"]), node], inputs: level == 59 ? ["c", "v"] : ["i", "c", "v"],
          outputs: level == 59 ? ["w"] : ["d", "w"])
      }
      return Proto.model(body)
    },
    Bomb("50000 notes on a node") {
      let note = Proto().text(1, "key").text(2, "value")
      return Proto.model(Proto.graph([Proto.relu.all(0..<50_000) { node, _ in node.message(9, note) }]))
    },
    Bomb("50000 defaults of a function") {
      let function = Proto.function("F", [Proto.relu]).all(0..<50_000) {
        $0.message(11, Proto().text(1, "a\($1)").int(3, 1).int(20, 2))
      }
      return Proto.model(Proto.graph([Proto.node("F", ["x"], ["y"], domain: "local")]), functions: [function])
    },
  ]

  @Test(.timeLimit(.minutes(1)), arguments: bombs + structures) func ends(_ bomb: Bomb) {
    let bytes = bomb.make()
    do {
      let patcher = try Patcher(try Model.load(bytes: bytes, path: "bomb.onnx"))
      var policies: [String: SitePolicy] = [:]
      for site in patcher.sites where site.isReplaceable {
        policies[site.name] = .uniform(.exact, heads: site.heads ?? 1)
      }
      _ = try patcher.patched(PatchPlan(policies: policies))
    } catch let error as ToolError {
      #expect(error.status == .dataError, "\(error.message)")
    } catch let error as ModelError {
      #expect(error.category == .data, "\(error.message)")
    } catch {
      Issue.record("\(error)")
    }
  }
}
