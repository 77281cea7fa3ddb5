import Foundation
import OnnxRuntime
import TestSupport
import Testing

/// y = a·b, with `scale` an input that an initializer stands in for: z = y·scale.
private func products() -> [UInt8] {
  var m = TinyModel()
  m.input("a", 1, ["M", 2])
  m.input("b", 1, [2, "N"])
  m.input("scale", 1, [1])
  m.initializer("scale", floats: [10], shape: [1])
  m.node("MatMul", ["a", "b"], ["y"])
  m.node("Mul", ["y", "scale"], ["z"])
  m.output("y", 1, ["M", "N"])
  m.output("z", 1, ["M", "N"])
  m.metadata("isa.version", "0.1")
  m.metadata("author", "")
  return m.bytes
}

private func failure(_ body: () throws -> Void) -> RuntimeError? {
  do {
    try body()
    return nil
  } catch { return error as? RuntimeError }
}

@Suite struct SessionTests {
  let library: Library
  init() throws { library = try Library.load() }

  @Test func describesItsModel() throws {
    let s = try Session(library, model: .bytes(products()))
    #expect(s.inputs.map(\.name) == ["a", "b"])
    #expect(s.inputs[0].dimensions == [.symbol("M"), .fixed(2)])
    #expect(s.inputs[1].elementType == .float32)
    #expect(s.overridableInitializers.map(\.name) == ["scale"])
    #expect(s.outputs.map(\.name) == ["y", "z"])
    #expect(s.metadata == ["isa.version": "0.1", "author": ""])
  }

  @Test func runs() throws {
    let s = try Session(library, model: .bytes(products()), options: .init(threads: 2))
    let a = try Tensor([1, 2, 3, 4] as [Float], shape: [2, 2])
    let b = try Tensor([1, 0, 2, 0, 1, 3] as [Float], shape: [2, 3])
    let out = try s.run(["a": a, "b": b])
    #expect(out["y"]?.values(Float.self) == [1, 2, 8, 3, 4, 18])
    #expect(out["y"]?.shape == [2, 3])
    #expect(out["z"]?.floats == [10, 20, 80, 30, 40, 180])
    let other = try s.run(["a": a, "b": b, "scale": try Tensor([2] as [Float], shape: [1])], outputs: ["z"])
    #expect(other.keys.sorted() == ["z"])
    #expect(other["z"]?.floats == [2, 4, 16, 6, 8, 36])
  }

  @Test func runsOnNoElements() throws {
    let s = try Session(library, model: .bytes(products()))
    let none = try Tensor([] as [Float], shape: [0, 2])
    let out = try s.run(["a": none, "b": try Tensor([1, 2] as [Float], shape: [2, 1])])
    #expect(out["y"]?.shape == [0, 1])
  }

  @Test func namesWhatIsWrongWithItsInputs() throws {
    let s = try Session(library, model: .bytes(products()))
    let a = try Tensor([1, 2] as [Float], shape: [1, 2])
    let b = try Tensor([1, 2] as [Float], shape: [2, 1])
    #expect(throws: RuntimeError.missingInput(name: "b")) { try s.run(["a": a]) }
    #expect(throws: RuntimeError.unknownInput(name: "c", known: ["a", "b", "scale"])) {
      try s.run(["a": a, "b": b, "c": a])
    }
    #expect(throws: RuntimeError.wrongElementType(input: "a", expected: "float32", actual: "int64")) {
      try s.run(["a": try Tensor([1, 2] as [Int64], shape: [1, 2]), "b": b])
    }
    #expect(throws: RuntimeError.wrongShape(input: "a", expected: "[M, 2]", actual: "[2, 1]")) {
      try s.run(["a": b, "b": b])
    }
    #expect(throws: RuntimeError.unknownOutput(name: "w", known: ["y", "z"])) {
      try s.run(["a": a, "b": b], outputs: ["w"])
    }
  }

  @Test func passesOnWhatFailsInARun() throws {
    var m = TinyModel()
    m.input("a", 1, ["N"])
    m.input("b", 1, ["K"])
    m.node("Add", name: "sum", ["a", "b"], ["y"])
    m.output("y", 1, ["M"])
    let s = try Session(library, model: .bytes(m.bytes))
    let two = try Tensor([1, 2] as [Float], shape: [2])
    let three = try Tensor([1, 2, 3] as [Float], shape: [3])
    guard case .runFailed(let reason) = failure({ _ = try s.run(["a": two, "b": three]) }) else {
      Issue.record("shapes that do not broadcast were added")
      return
    }
    #expect(reason.contains("sum"))
  }

  @Test func refusesWhatIsNoModel() throws {
    #expect(throws: RuntimeError.modelMissing(path: "/nowhere/x.onnx")) {
      try Session(library, model: .path("/nowhere/x.onnx"))
    }
    let bytes = [UInt8]("not a model at all".utf8)
    guard case .modelRefused(let model, _) = failure({ _ = try Session(library, model: .bytes(bytes)) }) else {
      Issue.record("text was loaded as a model")
      return
    }
    #expect(model == "the model")
  }

  @Test func loadsFromAFileAndProfiles() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("isa-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appendingPathComponent("m.onnx")
    try Data(products()).write(to: file)
    var options = Session.Options(threads: 1)
    options.profilePrefix = folder.path + "/profile"
    options.graphOptimization = .none
    options.spinning = false
    options.freeDimensions = ["M": 1]
    let s = try Session(library, model: .path(file.path), options: options)
    #expect(s.inputs[0].dimensions == [.fixed(1), .fixed(2)])
    _ = try s.run([
      "a": try Tensor([1, 2] as [Float], shape: [1, 2]), "b": try Tensor([1, 2] as [Float], shape: [2, 1]),
    ])
    let profile = try s.endProfiling()
    let text = try String(contentsOfFile: profile, encoding: .utf8)
    #expect(text.contains("MatMul"))
  }

  @Test func findsExternalDataOfAModelInMemory() throws {
    var m = TinyModel()
    m.input("x", 1, [2])
    m.initializer("w", externalFile: "weights.bin", shape: [2])
    m.node("Mul", ["x", "w"], ["y"])
    m.output("y", 1)
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("isa-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let weights = try Tensor([3, 5] as [Float], shape: [2])
    try Data(weights.bytes).write(to: folder.appendingPathComponent("weights.bin"))
    var options = Session.Options(threads: 1)
    options.externalDataFolder = folder.path
    let s = try Session(library, model: .bytes(m.bytes), options: options)
    #expect(try s.run(["x": Tensor([1, 2] as [Float], shape: [2])])["y"]?.floats == [3, 10])
  }

  @Test func endsACancelledRun() throws {
    let s = try Session(library, model: .bytes(products()))
    let cancellation = try Cancellation(library)
    let a = try Tensor([1, 2] as [Float], shape: [1, 2])
    let inputs = ["a": a, "b": try Tensor([1, 2] as [Float], shape: [2, 1])]
    #expect(try s.run(inputs, cancellation: cancellation)["y"]?.floats == [5])
    cancellation.cancel()
    #expect(throws: RuntimeError.cancelled) { try s.run(inputs, cancellation: cancellation) }
  }

  @Test func refusesAnOpLibraryThatIsNone() throws {
    #expect(throws: RuntimeError.opLibraryMissing(path: "/nowhere/libisa_ops.so")) {
      try Session(library, model: .bytes(products()), options: .init(opLibraries: ["/nowhere/libisa_ops.so"]))
    }
    // A library that loads, but registers nothing.
    let options = Session.Options(opLibraries: [library.path])
    let refused = failure { _ = try Session(library, model: .bytes(products()), options: options) }
    guard case .opLibraryRefused(let path, let reason) = refused else {
      Issue.record("a library without operators was registered")
      return
    }
    #expect(path == library.path)
    #expect(reason.contains("RegisterCustomOps"))
  }
}

@Suite struct OpLibraryTests {
  @Test func isFoundByPathOrBesideTheModel() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("isa-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.path + "/" + OpLibrary.fileName
    #expect(throws: RuntimeError.opLibraryMissing(path: file)) { try OpLibrary.find(folder.path) }
    #expect(throws: RuntimeError.opLibraryMissing(path: file)) { try OpLibrary.find(file) }
    try Data().write(to: URL(fileURLWithPath: file))
    #expect(try OpLibrary.find(folder.path) == file)
    #expect(try OpLibrary.find(file) == file)
  }
}

@Suite struct LibraryTests {
  @Test func tellsItsVersion() throws {
    let library = try Library.load()
    #expect(library.version.hasPrefix("1."))
    #expect(library.providers.contains("CPUExecutionProvider"))
    #expect(try Library.load(library.path).version == library.version)
  }

  @Test func knowsWhatIsTooOld() {
    for version in ["1.16.3", "1.9.0", "0.5", "1.2.1"] { #expect(Library.isTooOld(version)) }
    for version in ["1.17.0", "1.17.3", "1.31.1", "2.0", "1.100.0"] { #expect(!Library.isTooOld(version)) }
    #expect(RuntimeError.libraryTooOld(path: "x.so", version: "1.16.3").message.contains("1.17 or newer"))
  }

  @Test func takesTheNewestOfAFolder() throws {
    let library = try Library.load()
    let folder = URL(fileURLWithPath: library.path).deletingLastPathComponent().path
    #expect(try Library.load(folder).path == library.path)
    #expect(throws: RuntimeError.self) { try Library.load(FileManager.default.temporaryDirectory.path) }
  }

  @Test func saysWhereItLooked() throws {
    let path = "/nowhere/libonnxruntime.so"
    #expect(throws: RuntimeError.libraryMissing(searched: [path])) { try Library.load(path) }
    #expect(RuntimeError.libraryMissing(searched: [path]).message.contains("ISA_ORT_LIBRARY"))
  }

  @Test func refusesAFileThatIsNoLibrary() throws {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("isa-\(UUID().uuidString).so")
    try Data("text".utf8).write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    guard case .libraryRefused(let path, _) = failure({ _ = try Library.load(file.path) }) else {
      Issue.record("text was loaded as a library")
      return
    }
    #expect(path == file.path)
  }
}
