import GraphRewriting
import ONNXGraph
import TestSupport
import Testing

/// Relu(a·b + 2), and a chain of Casts and an Identity behind it.
private func graph() throws -> GraphIndex {
  var m = TinyModel()
  m.input("a", 1, [2, 2])
  m.input("b", 1, [2, 2])
  m.initializer("two", floats: [2], shape: [])
  m.node("MatMul", name: "product", ["a", "b"], ["p"])
  m.node("Add", name: "sum", ["two", "p"], ["s"])
  m.node("Relu", name: "relu", ["s"], ["r"])
  m.node("Cast", ["r"], ["c1"], ["to": .int(1)])
  m.node("Identity", ["c1"], ["c2"])
  m.node("Cast", ["c2"], ["c3"], ["to": .int(1)])
  m.output("c3", 1)
  return GraphIndex(try Model.load(bytes: m.bytes, path: "tiny.onnx").graph)
}

private func matcher() throws -> Matcher {
  Matcher(try graph(), number: { $0 == "two" ? 2 : nil }, isConstant: { $0 == "two" })
}

@Suite struct MatcherTests {
  private let product = Pattern.op("MatMul", .value("left"), .value("right"), as: "product")

  @Test func bindsValuesNumbersAndNodes() throws {
    var matcher = try matcher()
    let found = matcher.match(.op("Add", .number("bias"), product), at: "s")
    let match = try #require(found)
    #expect(match.values["left"] == "a")
    #expect(match.values["right"] == "b")
    #expect(match.numbers["bias"] == 2)
    #expect(match.nodes["product"]?.name == "product")
    #expect(match.used.map(\.name) == ["sum", "product"])
  }

  @Test func takesCommutativeInputsEitherWay() throws {
    var matcher = try matcher()
    #expect(matcher.match(.op("Add", product, .number("bias")), at: "s") == nil)
    #expect(matcher.match(.op("Add", product, .number("bias"), commutative: true), at: "s") != nil)
  }

  @Test func tagsTheAlternativeThatFits() throws {
    var matcher = try matcher()
    let pattern = Pattern.alternatives(
      group: "activation",
      [
        .init("none", product), .init("tanh", .op("Tanh", .value("x"))), .init("relu", .op("Relu", .value("x"))),
      ])
    #expect(matcher.match(pattern, at: "r")?.tags["activation"] == "relu")
    #expect(matcher.match(pattern, at: "p")?.tags["activation"] == "none")
  }

  @Test func chainsTakeAnyNumberOfSteps() throws {
    let pattern = Pattern.chain(
      group: "moves", steps: [.init("Cast", .op("Cast", .rest)), .init("Identity", .op("Identity", .rest))],
      end: .op("Relu", .value("x")))
    var matcher = try matcher()
    #expect(matcher.match(pattern, at: "c3")?.steps["moves"]?.map(\.tag) == ["Cast", "Identity", "Cast"])
    #expect(matcher.match(pattern, at: "r")?.steps["moves"] == nil)
    #expect(matcher.match(pattern, at: "c3")?.values["x"] == "s")
    #expect(matcher.match(pattern, at: "s") == nil)
  }

  @Test func sameNameIsTheSameValue() throws {
    var matcher = try matcher()
    #expect(matcher.match(.op("MatMul", .value("x"), .value("x")), at: "p") == nil)
  }

  @Test func saysWhereTheLongestAttemptStopped() throws {
    var matcher = try matcher()
    let pattern = Pattern.alternatives(
      group: "any",
      [
        .init("deep", .op("Relu", .op("Add", .number("bias"), .op("Conv", .value("x"), .value("y"))))),
        .init("shallow", .op("Tanh", .value("x"))),
      ])
    #expect(matcher.match(pattern, at: "r") == nil)
    let miss = try #require(matcher.nearMiss)
    #expect(miss.depth == 2)
    #expect(miss.value == "p")
    #expect(miss.expected == ["Conv"])
    #expect(miss.found.contains("MatMul"))
  }

  /// A pattern that could branch at each of many nodes ends all the same.
  @Test(.timeLimit(.minutes(1))) func endsOnDeepGraphs() throws {
    var m = TinyModel()
    m.input("x0", 1, [2])
    for i in 0..<5000 { m.node("Add", ["x\(i)", "x\(i)"], ["x\(i + 1)"]) }
    m.output("x5000", 1)
    var matcher = Matcher(
      GraphIndex(try Model.load(bytes: m.bytes, path: "t").graph), number: { _ in nil }, isConstant: { _ in false })
    let pattern = Pattern.chain(
      group: "sums",
      steps: [
        .init("left", .op("Add", .rest, .value("other"))), .init("right", .op("Add", .value("other"), .rest)),
      ],
      end: .op("Relu", .value("end")))
    #expect(matcher.match(pattern, at: "x5000") == nil)
  }
}
