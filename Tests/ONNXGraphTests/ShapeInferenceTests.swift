import Foundation
import ONNXGraph
import TestSupport
import Testing

/// What the pass says is compared with what ONNX Runtime computed for concrete lengths (Fixtures/models/shapes.json).
@Suite struct ShapeInferenceTests {
  struct Case: Decodable, Sendable, CustomTestStringConvertible {
    struct Value: Decodable, Sendable {
      let type: Int32
      let shape: [Int64]
      let elements: [Double]?
    }
    let model: String
    let lengths: [String: Int64]
    let values: [String: Value]

    var testDescription: String { "\(model) \(lengths.sorted { $0.key < $1.key })" }
  }

  static let cases: [Case] = {
    guard let data = try? Data(contentsOf: Fixtures.folder.appendingPathComponent("shapes.json")) else { return [] }
    return (try? JSONDecoder().decode([Case].self, from: data)) ?? []
  }()

  @Test func casesAreThere() { #expect(Self.cases.count == 5) }

  @Test(arguments: cases)
  func symbolicShapesHoldForEveryRun(run: Case) throws {
    let shapes = ShapeInference(try Fixtures.model(String(run.model.dropLast(5)))).main
    for (name, truth) in run.values {
      let value = shapes.value(name)
      let shape = try #require(value.shape, "\(name): the rank is unknown")
      #expect(shape.count == truth.shape.count, "\(name)")
      for (length, expected) in zip(shape, truth.shape) {
        guard let length else {
          // Only what depends on the data may be open.
          #expect(["NonZero", "ReduceSum", "rows"].contains { name.hasPrefix($0) }, "\(name) \(shape)")
          continue
        }
        #expect(length.evaluate(run.lengths) == expected, "\(name) \(shape)")
      }
      #expect(value.elementType == truth.type || value.elementType == 0, "\(name)")
    }
  }

  /// Element types by neighbourhood, ranks by readers, both ways through an operator that nothing is known of.
  @Test func readersTellWhatNoRuleDoes() throws {
    var m = TinyModel()
    m.input("x", 1, [2, 3])
    m.node("Anything", domain: "company.ops", ["x"], ["h"])
    m.node("Cast", ["h"], ["half"], ["to": .int(10)])
    m.initializer("w", floats: [Float](repeating: 1, count: 12), shape: [4, 3])
    m.node("MatMul", ["h", "w"], ["product"])
    m.node("Transpose", ["product"], ["turned"], ["perm": .ints([0, 2, 1])])
    m.node("Anything", domain: "company.ops", ["x"], ["alone"])
    m.output("turned", 1)
    let shapes = ShapeInference(try Model.load(bytes: m.bytes, path: "m")).main
    #expect(shapes.elementType(of: "h") == 1)
    #expect(shapes.elementType(of: "product") == 1)
    #expect(shapes.elementType(of: "half") == 10)
    #expect(shapes.shape(of: "product")?.map { $0?.value } == [nil, nil, 3])
    #expect(shapes.shape(of: "h")?.map { $0?.value } == [nil, nil, 4])
    #expect(shapes.shape(of: "turned")?.map { $0?.value } == [nil, 3, nil])
    #expect(shapes.elementType(of: "alone") == 0)
    #expect(shapes.shape(of: "alone") == nil)
  }

  @Test(arguments: cases)
  func foldedElementsHoldForEveryRun(run: Case) throws {
    let shapes = ShapeInference(try Fixtures.model(String(run.model.dropLast(5)))).main
    var compared = 0
    for (name, truth) in run.values {
      guard let elements = shapes.contents(of: name)?.elements, let expected = truth.elements else { continue }
      #expect(elements.count == expected.count)
      for (element, number) in zip(elements, expected) {
        let known: Double? =
          if case .integer(let value) = element { value.evaluate(run.lengths).map(Double.init) } else { element.number }
        guard let known else { continue }
        compared += 1
        #expect(abs(known - number) <= 1e-6 * max(1, abs(number)), "\(name) \(elements)")
      }
    }
    if run.model == "operators.onnx" { #expect(compared > 50) }
  }

  /// The same with the lengths put in beforehand: all is a number then.
  @Test(arguments: cases)
  func boundLengthsGiveNumbers(run: Case) throws {
    let model = try Fixtures.model(String(run.model.dropLast(5)))
    let shapes = ShapeInference(model, bindings: run.lengths.mapValues { Dimension($0) }).main
    for (name, truth) in run.values {
      for (length, expected) in zip(shapes.shape(of: name) ?? [], truth.shape) {
        #expect(length == nil || length?.value == expected, "\(name)")
      }
    }
  }

  /// √(1 / √(head size)), taken from the shape of what was reshaped to [batch, rows, 2, −1].
  @Test func scaleChainsFoldToANumber() throws {
    let model = try Fixtures.model("operators")
    let shapes = ShapeInference(model).main
    let chain = try #require(
      model.graph.nodes.first { $0.opType == "Sqrt" && model.index.producer(of: $0.inputs[0])?.opType == "Div" })
    let scale = try #require(shapes.numbers(of: chain.outputs[0])?.first)
    #expect(abs(scale - pow(4, -0.25)) < 1e-6)
  }

  @Test func bodiesOfFunctionsAndLoopsAreGraphsOfTheirOwn() throws {
    let functions = ShapeInference(try Fixtures.model("functions"))
    #expect(
      functions.graphs.map(\.path) == [
        "", "block0>Block/", "block0>Block/first>Scaled/", "block0>Block/second>Scaled/",
        "block0>Block/choose/else_branch/",
        "block0>Block/choose/then_branch/", "block1>Block/", "block1>Block/first>Scaled/",
        "block1>Block/second>Scaled/",
        "block1>Block/choose/else_branch/", "block1>Block/choose/then_branch/",
      ])
    let body = try #require(functions.graph(at: "block0>Block/second>Scaled/"))
    #expect(body.numbers(of: "s") == [3])
    #expect(body.shape(of: "b") == [Dimension(symbol: "n"), 3])
    let subgraphs = ShapeInference(try Fixtures.model("subgraphs"))
    let inner = try #require(subgraphs.graph(at: "if/else_branch/inner/body/"))
    #expect(inner.shape(of: "sum") == [Dimension(symbol: "n"), 3])
    #expect(inner.index.outer?.graph.path == "if/else_branch/")
  }

  /// A value that grows in each pass of its loop has no length that is known.
  @Test func loopsThatChangeAShape() throws {
    let axis = Proto().text(1, "axis").int(3, 0).int(20, 2)
    let body = Proto.graph(
      [Proto.node("Concat", ["v", "one"], ["grown"], attributes: [axis]), Proto.node("Identity", ["c"], ["d"])],
      inputs: ["i", "c", "v"], outputs: ["d", "grown"])
    let loop = Proto.node("Loop", ["trips", "", "start"], ["y"], attributes: [Proto.attribute("body", graph: body)])
    let bytes = Proto.model(
      Proto.graph(
        [loop, Proto.node("Relu", ["start"], ["z"])], inputs: [], outputs: ["y", "z"],
        initializers: [
          Proto.tensor("trips", type: 7, dims: [], raw: [3, 0, 0, 0, 0, 0, 0, 0]),
          Proto.tensor("start", dims: [2], raw: [UInt8](repeating: 0, count: 8)),
          Proto.tensor("one", dims: [1], raw: [0, 0, 0, 0]),
        ]))
    let shapes = ShapeInference(try Model.load(bytes: bytes, path: "/nowhere/m.onnx")).main
    #expect(shapes.shape(of: "y") == [nil])
    #expect(shapes.shape(of: "z") == [2])
  }

  /// Loops with fewer inputs than their bodies, and operators of versions that had other inputs.
  @Test func invalidLoops() throws {
    let body = Proto.graph(
      [Proto.node("Identity", ["a"], ["b"])], inputs: ["a", "c", "d"], outputs: ["b", "c", "d"])
    for (name, opset) in [("Loop", 17), ("Loop", 1), ("Scan", 8), ("Scan", 9), ("Scan", 23), ("If", 17)] {
      for inputs in [[], ["x"], ["x", "x"], ["", "", "x"], ["x", "x", "x", "x", "x", "x"]] {
        for scanned in [-1, 0, 2, 100] as [Int64] {
          let count = Proto().text(1, "num_scan_inputs").int(3, scanned).int(20, 2)
          let node = Proto.node(name, inputs, ["y"], attributes: [Proto.attribute("body", graph: body), count])
          let bytes = Proto().int(1, 8).message(7, Proto.graph([node])).message(8, Proto().int(2, Int64(opset))).bytes
          let model = try Model.load(bytes: bytes, path: "/nowhere/m.onnx")
          #expect(ShapeInference(model).main.shape(of: "x") == nil)
        }
      }
    }
  }

  @Test func namesFromConcreteInputs() throws {
    let model = try Fixtures.model("operators")
    let shapes: [String: [Int64]] = ["x": [2, 6, 8], "other": [2, 3, 8], "image": [2, 4, 8, 12]]
    #expect(
      model.bindings(forInputs: shapes) == ["batch": 2, "rows": 6, "more": 3, "height": 8, "width": 12])
    #expect(model.bindings(forInputs: ["x": [2, 6, 9]]) == nil)
    #expect(model.bindings(forInputs: ["x": [2, 6]]) == nil)
    #expect(model.bindings(forInputs: ["x": [2, 6, 8], "other": [3, 3, 8]]) == nil)
  }

  /// What an exporter declares is used where it says more, and only where its names mean something.
  @Test func declaredTypes() throws {
    func type(_ dims: [Proto]) -> Proto {
      Proto().message(1, Proto().int(1, 1).message(2, Proto().all(dims) { $0.message(1, $1) }))
    }
    func value(_ name: String, _ dims: [Proto]) -> Proto { Proto().text(1, name).message(2, type(dims)) }
    let n = Proto().text(2, "n")
    let graph = Proto().message(1, Proto.node("Unheard", ["x"], ["h"], domain: "other")).message(
      1, Proto.node("Relu", ["h"], ["k"])
    )
    .message(1, Proto.node("Relu", ["x"], ["y"])).message(11, value("x", [n, Proto().int(1, 4)]))
    .message(12, value("y", [Proto().text(2, "junk"), Proto()]))
    .message(13, value("h", [Proto().text(2, "2*n"), Proto()]))
    let shapes = ShapeInference(try Model.load(bytes: Proto.model(graph), path: "/nowhere/m.onnx")).main
    #expect(shapes.shape(of: "k") == [2 * Dimension(symbol: "n"), nil])
    #expect(shapes.shape(of: "y") == [Dimension(symbol: "n"), 4])
  }

  /// The last node's shape is known through 20,000 others, in a file that lists them backwards.
  @Test func longChainsInAnyOrder() throws {
    let count = 20_000
    let nodes = (0..<count).map { index in
      Proto.node("Relu", [index == 0 ? "x" : "v\(index)"], [index == count - 1 ? "y" : "v\(index + 1)"])
    }
    let type = Proto().message(1, Proto().int(1, 1).message(2, Proto().message(1, Proto().int(1, 5))))
    let graph = Proto().all(nodes.reversed()) { $0.message(1, $1) }.message(11, Proto().text(1, "x").message(2, type))
      .message(12, Proto.value("y"))
    let model = try Model.load(bytes: Proto.model(graph), path: "/nowhere/m.onnx")
    #expect(ShapeInference(model).main.shape(of: "y") == [5])
  }
}
