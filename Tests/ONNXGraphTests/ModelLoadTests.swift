import ONNXGraph
import TestSupport
import Testing

@Suite struct ModelLoadTests {
  @Test func modelFields() throws {
    let model = try Fixtures.model("every_value")
    #expect(model.irVersion == 11)
    #expect(model.producer == "fixtures")
    #expect(model.opsets == ["": 23, "test": 1])
    #expect(model.metadata == ["key": "value", "other": "värde"])
    #expect(model.graph.name == "every value")
    #expect(model.graph.nodes.map(\.opType) == ["Everything", "Relu"])
    #expect(model.graph.inputs.map(\.name) == ["x"])
    #expect(model.graph.inputs[0].elementType == ElementType.float32.rawValue)
    #expect(
      model.graph.inputs[0].shape == [
        Dimension(symbol: "batch"), 4,
        2 * Dimension(symbol: "frames") * Dimension(symbol: "height").floorDivided(by: 2), nil,
      ])
    #expect(model.graph.valueInfo.map(\.name) == ["everything"])
  }

  @Test func attributesOfEveryKind() throws {
    let node = try Fixtures.model("every_value").graph.nodes[0]
    #expect(node.name == "every attribute")
    #expect(node.domain == "test")
    #expect(node.overload == "second")
    #expect(node.inputs == ["x", "", "scalar"])
    #expect(node.outputs == ["everything", ""])
    #expect(node.int("an_int") == -5)
    #expect(node.float("a_float") == 0.5)
    #expect(node.string("a_string") == "text")
    #expect(node.tensor("a_tensor")?.int64Values() == [1, 2])
    #expect(node.ints("ints") == [1, 2, 3])
    #expect(node.floats("floats") == [0.5, 0.25])
    #expect(node.strings("strings") == ["p", "q"])
    #expect(
      node.subgraphs.map(\.path) == [
        "every attribute/a_graph/", "every attribute/graphs[0]/", "every attribute/graphs[1]/",
      ])
    #expect(node.capturedNames == ["x"])
    guard case .other? = node.attributes["a_type"] else {
      Issue.record("a type is kept without being read")
      return
    }
  }

  /// libonnx 1.12 does not know the field.
  @Test func nodeMetadataFromUnknownFields() throws {
    let node = try Fixtures.model("every_value").graph.nodes[0]
    #expect(node.metadata == ["pkg.torch.onnx.name_scopes": "['', 'blocks.0']", "namespace": "blocks.0"])
  }

  @Test(arguments: [
    ("int64_data", [1, -2, 3, 1 << 40]), ("int64_raw", [1, -2, 3, 1 << 40]), ("int32_data", [7, -8]),
    ("int32_raw", [7, -8]), ("uint8_data", [0, 128, 255]), ("int8_data", [-128, 127]), ("bool_data", [1, 0, 1]),
    ("bool_raw", [1, 0, 1]), ("uint64_data", [1, 1 << 40]), ("int16_raw", [-300, 300]), ("uint16_raw", [65535, 1]),
  ])
  func integerTensors(name: String, expected: [Int64]) throws {
    let tensor = try #require(try Fixtures.model("every_value").index.initializer(name))
    #expect(tensor.int64Values() == expected)
    #expect(tensor.floatValues() == nil)
  }

  @Test(arguments: [
    ("float_data", [1.5, -2, 0.25] as [Float]), ("float_raw", [1.5, -2, 0.25]), ("double_data", [1e-3, 4]),
    ("double_raw", [1e-3, 4]), ("float16_data", [0.5, -65504, 0x1p-24]),
    ("float16_raw", [0.5, -65504, 0x1p-24, .infinity]), ("bfloat16_data", [1, -3]), ("scalar", [3]), ("empty", []),
  ])
  func floatingPointTensors(name: String, expected: [Float]) throws {
    let tensor = try #require(try Fixtures.model("every_value").index.initializer(name))
    #expect(tensor.floatValues() == expected)
    #expect(tensor.int64Values() == nil)
  }

  @Test func tensorsThatAreNotNumbers() throws {
    let index = try Fixtures.model("every_value").index
    for name in ["text_data", "int4_data"] {
      let tensor = try #require(index.initializer(name))
      #expect(tensor.int64Values() == nil)
      #expect(tensor.floatValues() == nil)
    }
  }

  @Test func tensorsAboveTheLimitAreNotRead() throws {
    let tensor = try #require(try Fixtures.model("every_value").index.initializer("int64_raw"))
    #expect(tensor.int64Values(limit: 3) == nil)
    #expect(tensor.int64Values(limit: 4) != nil)
  }

  @Test func externalDataIsReadWhenAskedFor() throws {
    let model = try Fixtures.model("external")
    let weight = try #require(model.index.initializer("w"))
    #expect(weight.external == ExternalData(location: "external.bin", offset: 0, length: 128))
    #expect(weight.floatValues() == (0..<32).map(Float.init))
    #expect(model.index.initializer("b")?.floatValues() == (32..<48).map(Float.init))
  }

  @Test func halvesOfEveryBitPattern() {
    for bits in 0...UInt16.max {
      let expected = Float(Float16(bitPattern: bits))
      let tensor = Tensor(
        name: "half", elementType: .float16, dims: [1], bytes: [UInt8(bits & 0xff), UInt8(bits >> 8)])
      let value = tensor.floatValues()?.first
      #expect(value == expected || (expected.isNaN && value?.isNaN == true))
    }
  }

  @Test func functionBodiesForEachCall() throws {
    let model = try Fixtures.model("functions")
    let block = try #require(model.function(model.graph.nodes[0]))
    #expect(block.name == "Block")
    let body = block.body(calledBy: model.graph.nodes[0], in: "")
    #expect(body.path == "block0>Block/")
    #expect(
      body.nodes[2].subgraphs.map(\.path) == ["block0>Block/choose/else_branch/", "block0>Block/choose/then_branch/"])
    let scaled = try #require(model.function(body.nodes[0]))
    let byDefault = scaled.body(calledBy: body.nodes[0], in: body.path)
    let byCall = scaled.body(calledBy: body.nodes[1], in: body.path)
    #expect(byDefault.path == "block0>Block/first>Scaled/")
    #expect(byDefault.nodes[0].constantValue?.floatValues() == [0.5])
    #expect(byCall.nodes[0].constantValue?.floatValues() == [3])
  }

  @Test func indexAnswersWhoMakesAndReads() throws {
    let model = try Fixtures.model("subgraphs")
    let index = model.index
    #expect(index.producer(of: "total")?.name == "loop")
    #expect(index.outputIndex(of: "rows") == 1)
    #expect(index.consumers(of: "total").map(\.opType) == ["Add"])
    // x is read by name in two bodies and, among others, as an input of the loop.
    #expect(index.consumers(of: "x").map(\.opType) == ["Loop", "If", "ReduceSum", "Scan"])
    #expect(index.uses(of: "x").filter { $0.input == nil }.map(\.node) == [0, 1])
    #expect(index.isInput("x") && index.isOutput("y") && !index.isOutput("total"))
    let body = GraphIndex(model.graph.nodes[0].subgraphs[0], outer: index)
    #expect(body.producer(of: "sum")?.opType == "Add")
    #expect(body.scope(of: "x") === index)
    #expect(body.constant("last_axis")?.int64Values() == [1])
    #expect(body.constant("x") == nil)
  }

  @Test func unsortedNodesHaveAnOrder() throws {
    let index = try Fixtures.model("unsorted").index
    #expect(index.topologicalOrder() == [2, 0, 1])
    #expect(index.insertionIndex(after: ["cast", "w"]) == 3)
  }

  /// Before IR 4 every initializer is listed as an input and is constant all the same; since, the input overrides it.
  @Test(arguments: [(3 as Int64, true), (8, false)])
  func initializersThatAreInputs(version: Int64, constant: Bool) throws {
    let graph = Proto.graph(
      [Proto.node("Add", ["x", "w"], ["y"])], inputs: ["x", "w"],
      initializers: [Proto.tensor("w", dims: [1], raw: [0, 0, 0, 0])])
    let bytes = Proto().int(1, version).message(7, graph).message(8, Proto().int(2, 8)).bytes
    let index = try Model.load(bytes: bytes, path: "/nowhere/m.onnx").index
    #expect((index.constant("w") != nil) == constant)
    #expect(index.initializer("w") != nil)
  }
}
