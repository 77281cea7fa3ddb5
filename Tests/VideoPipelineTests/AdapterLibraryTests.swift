import Foundation
import Testing
import VideoPipeline

@Suite struct AdapterLibraryTests {
  let folder: ScratchFolder
  let source = "\(Fixture.package)/Adapters/in-context-editor.yaml"

  init() throws { folder = try ScratchFolder() }

  @Test func thePackagesAdaptersAreFoundFromItsBuildFolder() throws {
    let library = try AdapterLibrary.find(
      environment: [:], executable: "\(Fixture.package)/.build/release/isa-patch")
    #expect(library.folder == "\(Fixture.package)/Adapters")
    #expect(try library.adapter("in-context-editor").sampler == .flowEuler)
  }

  @Test func theInstalledAdaptersAreFound() throws {
    let share = folder.file("share/isa-patch/adapters")
    try FileManager.default.createDirectory(atPath: share, withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: source, toPath: "\(share)/editor.yaml")
    let library = try AdapterLibrary.find(environment: [:], executable: folder.file("bin/isa-patch"))
    #expect(library.adapters.map(\.name) == ["in-context-editor"])
  }

  @Test func theEnvironmentGoesFirst() throws {
    let library = try AdapterLibrary.find(
      environment: ["ISA_ADAPTERS": folder.path], executable: "\(Fixture.package)/.build/release/isa-patch")
    #expect(library.adapters.isEmpty)
    let error = #expect(throws: AdapterError.self) {
      try AdapterLibrary.find(environment: ["ISA_ADAPTERS": folder.file("none")], executable: nil)
    }
    #expect(error?.exitCode == 66)
  }

  @Test func anAdapterMayBeAFile() throws {
    let library = AdapterLibrary(adapters: [])
    #expect(try library.adapter(source).name == "in-context-editor")
    let missing = #expect(throws: AdapterError.self) { try library.adapter(folder.file("x.yaml")) }
    #expect(missing?.exitCode == 66)
    let unknown = #expect(throws: AdapterError.self) { try library.adapter("other") }
    #expect(unknown?.exitCode == 66)
  }

  @Test func twoThatFitAreAmbiguous() throws {
    var first = try AdapterLibrary(adapters: []).adapter(source)
    let second = first
    first.name = "another"
    let library = AdapterLibrary(adapters: [first, second])
    #expect(throws: AdapterError.ambiguous(["another", "in-context-editor"])) {
      try library.recognise(AdapterTests.editor())
    }
  }

  @Test func aBrokenFileOfTheFolderIsNamed() throws {
    try Data("schema: 1\n".utf8).write(to: URL(fileURLWithPath: folder.file("broken.yaml")))
    let error = #expect(throws: AdapterError.self) { try AdapterLibrary(folder: folder.path) }
    #expect(error?.message.contains("broken.yaml") == true)
  }
}
